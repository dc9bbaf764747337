using System.Reflection;
using System.Reflection.Emit;

namespace Emma.Templates.Tests;

/// <summary>Which of the heap's methods a method of the heap may call, as its IL says.</summary>
public static class CallGraph
{
    private static readonly Dictionary<short, OpCode> s_opCodes = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!)
        .ToDictionary(opCode => opCode.Value);

    /// <summary>Every method of the heap's class and of those within it.</summary>
    public static IEnumerable<MethodBase> AllMethods()
    {
        const BindingFlags all =
            BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;
        return Types(typeof(EmmaHeap)).SelectMany(type => type.GetMethods(all).Concat<MethodBase>(type.GetConstructors(all)));

        static IEnumerable<Type> Types(Type type) => type.GetNestedTypes(all).SelectMany(Types).Prepend(type);
    }

    /// <summary>The methods that are reached from some, themselves included.</summary>
    /// <param name="isBeyond">Says of a method that is called whether it is left out, with what it calls.</param>
    public static HashSet<MethodBase> Closure(IEnumerable<MethodBase> roots, Func<MethodBase, bool> isBeyond)
    {
        HashSet<MethodBase> reached = [];
        Stack<MethodBase> open = new(roots);
        while (open.TryPop(out MethodBase? method))
        {
            if (!reached.Add(method))
                continue;
            foreach (MethodBase callee in CalledBy(method))
            {
                if (!isBeyond(callee))
                    open.Push(callee);
            }
        }

        return reached;
    }

    /// <summary>The heap's methods that a method calls, or takes the address of.</summary>
    public static IEnumerable<MethodBase> CalledBy(MethodBase method)
    {
        byte[]? code = method.GetMethodBody()?.GetILAsByteArray();
        for (int at = 0; code is not null && at < code.Length;)
        {
            short value = code[at++];
            if (value == 0xFE)
                value = unchecked((short)(0xFE00 | code[at++]));
            OpCode opCode = s_opCodes[value];
            if (opCode.OperandType == OperandType.InlineMethod)
            {
                MethodBase callee = method.Module.ResolveMethod(
                    BitConverter.ToInt32(code, at),
                    method.DeclaringType?.GetGenericArguments(),
                    method.IsGenericMethod ? method.GetGenericArguments() : null)!;
                if (IsOfHeap(callee.DeclaringType))
                    yield return callee;
            }

            at += opCode.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + 4 * BitConverter.ToInt32(code, at),
                _ => 4,
            };
        }
    }

    private static bool IsOfHeap(Type? type) => type is not null && (type == typeof(EmmaHeap) || IsOfHeap(type.DeclaringType));
}
