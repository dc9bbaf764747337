using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Emma.Consumers.Harness;

/// <summary>
/// What the linker has made of an assembly's code. Where it puts a constant in the place of a call, the code becomes longer, and a short
/// branch across it may no longer reach its target (seen with .NET 10.0.12: a branch by 128 became one by -128).
/// </summary>
internal static class LinkedCode
{
    private static readonly Dictionary<short, OpCode> s_opCodes = typeof(OpCodes).GetFields()
        .Select(field => (OpCode)field.GetValue(null)!)
        .ToDictionary(opCode => opCode.Value);

    /// <summary>The methods with a branch that leads to no instruction.</summary>
    public static List<string> BrokenBranches(string assembly)
    {
        using PEReader file = new(File.OpenRead(assembly));
        MetadataReader metadata = file.GetMetadataReader();
        List<string> broken = [];
        foreach (MethodDefinition method in metadata.MethodDefinitions.Select(metadata.GetMethodDefinition))
        {
            if (method.RelativeVirtualAddress == 0)
                continue;

            (HashSet<int> instructions, List<int> targets) = Decode(file.GetMethodBody(method.RelativeVirtualAddress).GetILBytes()!);
            if (targets.TrueForAll(instructions.Contains))
                continue;

            TypeDefinition type = metadata.GetTypeDefinition(method.GetDeclaringType());
            broken.Add($"{metadata.GetString(type.Name)}.{metadata.GetString(method.Name)}");
        }

        return broken;
    }

    private static (HashSet<int> Instructions, List<int> Targets) Decode(byte[] code)
    {
        HashSet<int> instructions = [];
        List<int> targets = [];
        for (int at = 0; at < code.Length;)
        {
            instructions.Add(at);
            short value = code[at++];
            if (value == 0xFE)
                value = unchecked((short)(0xFE00 | code[at++]));
            OperandType operand = s_opCodes[value].OperandType;
            int bytes = operand switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + 4 * BitConverter.ToInt32(code, at),
                _ => 4,
            };
            if (operand == OperandType.ShortInlineBrTarget)
                targets.Add(at + bytes + (sbyte)code[at]);
            else if (operand == OperandType.InlineBrTarget)
                targets.Add(at + bytes + BitConverter.ToInt32(code, at));
            at += bytes;
        }

        return (instructions, targets);
    }
}
