using System.Reflection;

namespace Emma.Templates.Tests;

/// <summary>Puts a function between a heap written by the generator and the kernel, for good.</summary>
public static class KernelHook
{
    private const BindingFlags Members = BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance;

    /// <summary>Has a heap that runs call the function from now on.</summary>
    /// <param name="kernelEntry">The heap's class of that name.</param>
    /// <param name="call">The function: the number of the system call and six words, to one.</param>
    /// <param name="kernel">What the heap has called so far, to pass calls on to; set before the function is called.</param>
    public static void Install(Type kernelEntry, nint call, out nint kernel)
    {
        Assumption.NotWindows("the calls that are looked at are Linux's.");
        FieldInfo current = kernelEntry.GetField("s_current", Members)!;
        object former = current.GetValue(null)!;
        kernel = (nint)Member("_syscall")!;
        current.SetValue(null, kernelEntry.GetConstructors(Members)[0].Invoke([call, Member("_codeBehind"), Member("_page")]));

        object? Member(string name) => kernelEntry.GetField(name, Members)!.GetValue(former);
    }
}
