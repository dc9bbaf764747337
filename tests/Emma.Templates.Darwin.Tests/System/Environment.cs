namespace System;

/// <summary>The process's surroundings, with the pages that macOS has on arm64.</summary>
internal static class Environment
{
    private static readonly Type s_real = typeof(object).Assembly.GetType("System.Environment")!;

    private static readonly Func<string, string?> s_variable =
        s_real.GetMethod(nameof(GetEnvironmentVariable), [typeof(string)])!.CreateDelegate<Func<string, string?>>();

    private static readonly Action<string?> s_fail =
        s_real.GetMethod(nameof(FailFast), [typeof(string)])!.CreateDelegate<Action<string?>>();

    private static readonly Func<int> s_thread = Getter<int>(nameof(CurrentManagedThreadId));
    private static readonly Func<long> s_ticks = Getter<long>(nameof(TickCount64));
    private static readonly Func<bool> s_privileged = Getter<bool>(nameof(IsPrivilegedProcess));

    internal static int SystemPageSize => 16 << 10;

    internal static int CurrentManagedThreadId => s_thread();

    internal static long TickCount64 => s_ticks();

    internal static bool IsPrivilegedProcess => s_privileged();

    internal static int ProcessorCount { get; } = Getter<int>(nameof(ProcessorCount))();

    internal static int ProcessId { get; } = Getter<int>(nameof(ProcessId))();

    internal static string? ProcessPath { get; } = Getter<string?>(nameof(ProcessPath))();

    internal static string NewLine => "\n";

    internal static string? GetEnvironmentVariable(string name) => s_variable(name);

    internal static void FailFast(string message) => s_fail(message);

    private static Func<T> Getter<T>(string name) => s_real.GetProperty(name)!.GetMethod!.CreateDelegate<Func<T>>();
}
