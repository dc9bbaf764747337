using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Emma.Templates.Tests;

/// <summary>Threads of a test's own.</summary>
public static partial class Threads
{
    /// <summary>
    /// Runs a body on so many new threads at once, each with its number, and waits until the kernel, too, has forgotten them: only then
    /// does a heap know that what they kept is nobody's. What one of them throws, this throws.
    /// </summary>
    public static void Run(int count, Action<int> body)
    {
        ConcurrentQueue<Exception> failures = [];
        int[] kernelIds = new int[count];
        Thread[] threads = Enumerable.Range(0, count).Select(number => new Thread(() =>
        {
            try
            {
                kernelIds[number] = KernelId();
                body(number);
            }
            catch (Exception exception)
            {
                failures.Enqueue(exception);
            }
        })).ToArray();
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        // Join returns a little before the thread has left the kernel.
        Patience.Until(() => !kernelIds.Any(IsKnown), "the kernel has forgotten the threads");
        if (!failures.IsEmpty)
            throw new AggregateException(failures);
    }

    /// <summary>
    /// Runs a body on the calling thread and, on one of its own, something else again and again until the body has ended, be it by an
    /// exception: no thread may use a heap that the test's end destroys. What the other thread throws, this throws too.
    /// </summary>
    public static void RunBeside(Action again, Action body)
    {
        Exception? failure = null;
        bool done = false;
        Thread other = new Thread(() =>
        {
            try
            {
                while (!Volatile.Read(ref done))
                    again();
            }
            catch (Exception exception)
            {
                failure = exception;
            }
        });
        other.Start();
        try
        {
            body();
        }
        finally
        {
            Volatile.Write(ref done, true);
            other.Join();
        }

        if (failure is not null)
            throw new AggregateException(failure);
    }

    private static int KernelId() => OperatingSystem.IsWindows()
        ? CurrentThreadId()
        : int.Parse(Path.GetFileName(File.ResolveLinkTarget("/proc/thread-self", returnFinalTarget: false)!.FullName));

    private static bool IsKnown(int kernelId) => OperatingSystem.IsWindows()
        ? Process.GetCurrentProcess().Threads.Cast<ProcessThread>().Any(thread => thread.Id == kernelId)
        : Directory.Exists($"/proc/self/task/{kernelId}");

    [LibraryImport("kernel32", EntryPoint = "GetCurrentThreadId")]
    private static partial int CurrentThreadId();
}
