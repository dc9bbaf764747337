using Iced.Intel;

namespace Emma.Templates.Tests;

/// <summary>Decodes machine code for x86-64 and writes it as the listings beside the bytes do.</summary>
public static class Disassembler
{
    // Intel's syntax in lower case: numbers with 0x, sizes of all memory operands, scales of all indices.
    private static readonly IntelFormatter s_formatter = new IntelFormatter(new FormatterOptions
    {
        HexPrefix = "0x",
        HexSuffix = "",
        UppercaseHex = false,
        SmallHexNumbersInDecimal = false,
        SpaceAfterOperandSeparator = true,
        MemorySizeOptions = MemorySizeOptions.Always,
        AlwaysShowScale = true,
        BranchLeadingZeros = false,
        ShowBranchSize = false,
        FirstOperandCharIndex = 0,
    });

    /// <summary>All instructions of a routine that lies at address 0. Fails at bytes that are none.</summary>
    public static Instruction[] Decode(ReadOnlySpan<byte> code)
    {
        Decoder decoder = Iced.Intel.Decoder.Create(64, new ByteArrayCodeReader(code.ToArray()));
        List<Instruction> instructions = [];
        while (decoder.IP < (ulong)code.Length)
        {
            Instruction instruction = decoder.Decode();
            Assert.False(instruction.IsInvalid, $"the bytes at 0x{instruction.IP:x} are no instruction");
            instructions.Add(instruction);
        }

        return [.. instructions];
    }

    /// <summary>Where the displacement and the immediate operand of an instruction lie, from the beginning of the routine.</summary>
    public static ConstantOffsets OffsetsIn(ReadOnlySpan<byte> code, in Instruction instruction)
    {
        Decoder decoder = Iced.Intel.Decoder
            .Create(64, new ByteArrayCodeReader(code.Slice((int)instruction.IP, instruction.Length).ToArray()));
        return decoder.GetConstantOffsets(decoder.Decode());
    }

    public static string Format(in Instruction instruction)
    {
        StringOutput text = new StringOutput();
        s_formatter.Format(instruction, text);
        return text.ToStringAndReset();
    }
}
