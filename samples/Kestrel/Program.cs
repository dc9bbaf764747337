using System.Net;
using Emma;
using Kestrel;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

[assembly: EmmaAllocator("Kestrel.RequestHeap", MemoryLimit = 64 << 20)]

// Serves on the loopback with its buffers in a heap of its own. Without arguments it asks itself, and checks that nothing is left; with
// "serve" it serves until it is told to stop, and with "serve default" with the server's own pool, to be compared.
bool serves = args.Contains("serve");
bool usesHeap = !args.Contains("default");

WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders();
builder.WebHost.ConfigureKestrel(options => options.Listen(IPAddress.Loopback, serves ? 5080 : 0));
HeapPoolFactory factory = new();
if (usesHeap)
    builder.Services.AddSingleton<IMemoryPoolFactory<byte>>(factory);

await using WebApplication app = builder.Build();
string page = new('e', 1000);
app.MapGet("/", () => page);
app.MapPost("/length", async (HttpRequest request) =>
{
    long length = 0;
    while (true)
    {
        System.IO.Pipelines.ReadResult read = await request.BodyReader.ReadAsync();
        length += read.Buffer.Length;
        request.BodyReader.AdvanceTo(read.Buffer.End);
        if (read.IsCompleted)
            return $"{length}";
    }
});

if (serves)
{
    await app.RunAsync();
    Console.WriteLine(RequestHeap.GetStatistics());
    return 0;
}

await app.StartAsync();
string address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
const int clients = 16, requests = 50, bodyBytes = 200_000;
using (HttpClient client = new() { BaseAddress = new Uri(address) })
{
    await Task.WhenAll(Enumerable.Range(0, clients).Select(async _ =>
    {
        for (int i = 0; i < requests; i++)
        {
            Require(await client.GetStringAsync("/") == page, "the page is whole");
            HttpResponseMessage answer = await client.PostAsync("/length", new ByteArrayContent(new byte[bodyBytes]));
            Require(await answer.Content.ReadAsStringAsync() == $"{bodyBytes}", "the body is whole");
        }
    }));
}

RequestHeap.HeapStatistics busy = RequestHeap.GetStatistics();
await app.StopAsync();
await app.DisposeAsync();

Require(factory.Pools.Count > 0, "the server asked for pools");
Require(factory.Pools.Sum(pool => pool.Rented) >= clients, "its buffers came from them");
Require(busy.PeakMappedBytes <= busy.MemoryLimit, "the limit was kept");
Require(factory.Pools.All(pool => pool.IsDisposed), "each pool was disposed");
Require(factory.Pools.All(pool => pool.Out == 0), "each buffer was given back");
RequestHeap.HeapStatistics left = RequestHeap.GetStatistics();
Require(left.LiveOwners == 0 && left.LiveBlocks == 0, "nothing is left in the heap");
Console.WriteLine(
    $"{clients * requests * 2} requests, {factory.Pools.Sum(pool => pool.Rented)} buffers from {factory.Pools.Count} pools, 0 left");
return 0;

static void Require(bool holds, string claim)
{
    if (!holds)
        throw new InvalidOperationException($"Not so: {claim}");
}
