using Emma.Benchmarks.Footprint;
using Emma.Benchmarks.Peers;
using Emma.Benchmarks.Residency;
using Emma.Benchmarks.Scaling;
using Emma.Benchmarks.Workloads;

namespace Emma.Benchmarks.Processes;

// What a process does that was started by this program to measure one peer: child job peer arguments….
internal static class Child
{
    internal const string Verb = "child";

    private const int JobIndex = 1;
    private const int PeerIndex = 2;

    internal static void Run(string[] args)
    {
        string job = args[JobIndex];
        string peer = args[PeerIndex];
        string[] rest = args[(PeerIndex + 1)..];
        if (job == FootprintJob.Name)
        {
            FootprintJob.Run(peer, rest);
        }
        else if (peer == PeerList.CollectibleName)
        {
            CollectibleCopy.RunChild([Verb, job, PeerList.EmmaName, .. rest]);
        }
        else
        {
            PeerList.Find(peer).Invoke(CreateAction(job, rest));
        }
    }

    private static IPeerAction CreateAction(string job, string[] args) => job switch
    {
        WorkloadJob.Name => WorkloadJob.Parse(args),
        LiveHeapJob.Name => LiveHeapJob.Parse(args),
        LifelineJob.Name => LifelineJob.Parse(args),
        ThreadsJob.Name => ThreadsJob.Parse(args),
        _ => throw new ArgumentException($"No such job: {job}."),
    };
}
