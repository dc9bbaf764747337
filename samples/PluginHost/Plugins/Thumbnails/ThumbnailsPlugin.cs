using PluginHost.Contracts;

[assembly: EmmaAllocator("Thumbnails.Heap")]

namespace Thumbnails;

/// <summary>Scales pictures: a few large blocks in each round, and none between two.</summary>
public sealed unsafe class ThumbnailsPlugin : IPlugin
{
    private const int Width = 1600;
    private const int Height = 1200;
    private const int Scale = 8;

    public void Work()
    {
        uint* picture = Heap.Alloc<uint>(Width * Height);
        uint* thumbnail = Heap.Alloc<uint>(Width / Scale * Height / Scale);
        for (int i = 0; i < Width * Height; i++)
            picture[i] = (uint)i * 2_654_435_761;
        for (int y = 0; y < Height / Scale; y++)
        {
            for (int x = 0; x < Width / Scale; x++)
                thumbnail[y * (Width / Scale) + x] = picture[y * Scale * Width + x * Scale];
        }

        Heap.Free(thumbnail);
        Heap.Free(picture);
    }

    public void MemoryIsLow() => Heap.Trim();
}
