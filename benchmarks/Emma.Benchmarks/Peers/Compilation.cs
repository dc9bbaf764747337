using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;

namespace Emma.Benchmarks.Peers;

// Compiles code without running it. In a collectible load context nothing is compiled twice, and a plugin's code may well be compiled
// before its heap is first used: what is measured there is to be compiled like that.
internal static class Compilation
{
    private const BindingFlags Declared =
        BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    // Whether this copy of the assembly is compiled the way plugins are.
    internal static bool IsForGood => AssemblyLoadContext.GetLoadContext(typeof(Compilation).Assembly)!.IsCollectible;

    // The generic methods of a type and of the types within it that have just these parameters, and all methods of the arguments.
    internal static void Prepare(Type type, params Type[] arguments)
    {
        foreach (MethodInfo method in type.GetMethods(Declared))
        {
            if (!method.IsAbstract && method.IsGenericMethodDefinition && method.GetGenericArguments().Length == arguments.Length)
                RuntimeHelpers.PrepareMethod(method.MakeGenericMethod(arguments).MethodHandle);
        }

        foreach (Type nested in type.GetNestedTypes(BindingFlags.Public | BindingFlags.NonPublic))
        {
            if (!nested.IsGenericTypeDefinition)
                Prepare(nested, arguments);
            else if (nested.GetGenericArguments().Length == arguments.Length)
                PrepareAll(nested.MakeGenericType(arguments));
        }

        foreach (Type argument in arguments)
            PrepareAll(argument);
    }

    private static void PrepareAll(Type type)
    {
        if (type.Assembly != typeof(Compilation).Assembly)
            return;

        foreach (MethodBase method in type.GetMethods(Declared).Concat<MethodBase>(type.GetConstructors(Declared)))
        {
            if (!method.IsAbstract && !method.ContainsGenericParameters && method.GetMethodBody() is not null)
                RuntimeHelpers.PrepareMethod(method.MethodHandle);
        }

        foreach (Type argument in type.IsGenericType ? type.GetGenericArguments() : [])
            PrepareAll(argument);
    }
}
