using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static EveryForm.Program;

namespace Windows;

/// <summary>Windows refuses the n-th call that commits memory, or gives it back, or all from there on.</summary>
internal static unsafe class Refusals
{
    private const int CommitmentLimit = unchecked((int)0xC000_012D);

    private const nuint EndBytes = 5000;

    private static readonly nuint[] s_sizes =
        [16, 30_000, 40_000, 700_000, 5 << 20, 24, 60_000];

    private static nint s_allocate;
    private static nint s_free;
    private static int s_left;
    private static int s_refused;
    private static bool s_goesOn;

    internal static void Commitment(Form form)
    {
        s_allocate = form.Functions[0];
        foreach (bool goesOn in new[] { false, true })
        {
            int call = 0;
            do
            {
                form.Destroy();
                Begin(++call, goesOn);
                form.Functions[0] = (nint)(delegate* unmanaged<nint, nint*, nint, nuint*, int, int, int>)&Allocate;
                bool all = Use(form);
                form.Functions[0] = s_allocate;
                Must(s_refused == 0 || !goesOn || call > 1 || !all, "all was there although nothing was");
                Must(Use(form), $"{form.Name}: no memory after call {call} was refused");
            }
            while (s_refused != 0);
            Must(call > 10, $"{form.Name}: {call} calls");
        }
    }

    internal static void GivingBack(Form form)
    {
        s_free = form.Functions[1];
        foreach (bool goesOn in new[] { false, true })
        {
            int call = 0;
            do
            {
                form.Destroy();
                Must(form.Figures().Mapped == 0, $"{form.Name}: {form.Figures().Mapped} bytes mapped");
                Begin(++call, goesOn);
                form.Functions[1] = (nint)(delegate* unmanaged<nint, nint*, nuint*, int, int>)&Free;
                Must(Use(form), $"{form.Name}: no memory");
                form.Trim();
                form.Destroy();
                form.Functions[1] = s_free;
                Must(Use(form), $"{form.Name}: no memory after call {call} was refused");
            }
            while (s_refused != 0);
        }
    }

    private static void Begin(int call, bool goesOn)
    {
        s_left = call;
        s_refused = 0;
        s_goesOn = goesOn;
    }

    /// <summary>Allocates, resizes and frees; contents are right whatever is refused.</summary>
    /// <returns>Whether all was to be had.</returns>
    private static bool Use(Form form)
    {
        bool all = true;
        byte*[] blocks = new byte*[s_sizes.Length];
        nuint[] sizes = (nuint[])s_sizes.Clone();
        for (int i = 0; i < blocks.Length; i++)
        {
            blocks[i] = form.Alloc(sizes[i]);
            all &= blocks[i] != null;
            if (blocks[i] != null)
                Ends(blocks[i], sizes[i], (byte)(i + 1), fill: true);
        }

        for (int i = 0; i < blocks.Length; i++)
        {
            if (blocks[i] == null)
                continue;

            nuint wanted = i % 2 == 0 ? sizes[i] * 3 / 2 : sizes[i] / 2;
            byte* resized = form.Realloc(blocks[i], wanted);
            all &= resized != null;
            if (resized == null)
                continue;
            blocks[i] = resized;
            // The end is another one now.
            Must(Ends(blocks[i], Math.Min(Math.Min(sizes[i], wanted), EndBytes), (byte)(i + 1), fill: false),
                $"{form.Name}: contents after resizing");
            sizes[i] = wanted;
            Ends(blocks[i], wanted, (byte)(i + 1), fill: true);
        }

        for (int i = 0; i < blocks.Length; i++)
        {
            if (blocks[i] != null)
                Must(Ends(blocks[i], sizes[i], (byte)(i + 1), fill: false), $"{form.Name}: contents of {sizes[i]} bytes");
        }

        for (int i = 0; i < blocks.Length; i++)
            form.Free(blocks[i]);
        Must(form.Figures().InUse == 0, $"{form.Name}: {form.Figures().InUse} bytes in use");
        form.Trim();
        return all;
    }

    /// <summary>Fills the ends of a block, or says whether they are as they were filled.</summary>
    private static bool Ends(byte* block, nuint size, byte value, bool fill)
    {
        int length = (int)Math.Min(size, EndBytes);
        Span<byte> first = new(block, length);
        Span<byte> last = new(block + size - length, length);
        if (!fill)
            return !first.ContainsAnyExcept(value) && !last.ContainsAnyExcept(value);

        first.Fill(value);
        last.Fill(value);
        return true;
    }

    private static bool IsRefused()
    {
        if (s_left > 1 || (s_left < 1 && !s_goesOn))
        {
            s_left--;
            return false;
        }

        s_left = 0;
        s_refused++;
        return true;
    }

    [UnmanagedCallersOnly]
    private static int Allocate(nint process, nint* address, nint zeroBits, nuint* length, int type, int protection) =>
        IsRefused()
            ? CommitmentLimit
            : ((delegate* unmanaged<nint, nint*, nint, nuint*, int, int, int>)s_allocate)(
                process, address, zeroBits, length, type, protection);

    [UnmanagedCallersOnly]
    private static int Free(nint process, nint* address, nuint* length, int type) =>
        IsRefused() ? CommitmentLimit : ((delegate* unmanaged<nint, nint*, nuint*, int, int>)s_free)(process, address, length, type);
}
