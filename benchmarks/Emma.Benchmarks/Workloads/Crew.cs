namespace Emma.Benchmarks.Workloads;

// Threads that work side by side.
internal static class Crew
{
    // Has a number of new threads do some work, each with its index, and waits for all of them.
    internal static void Run(int threads, Action<int> work)
    {
        Thread[] crew = new Thread[threads];
        for (int i = 0; i < threads; i++)
        {
            int index = i;
            crew[i] = new Thread(() => work(index));
        }

        foreach (Thread thread in crew)
            thread.Start();

        foreach (Thread thread in crew)
            thread.Join();
    }
}
