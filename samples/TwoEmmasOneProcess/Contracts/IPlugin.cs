namespace TwoEmmasOneProcess.Contracts;

/// <summary>
/// What the host knows of a plugin. No block and no type of the plugin's heap crosses this line, so the host can drop the plugin whole.
/// </summary>
public interface IPlugin
{
    /// <summary>What the plugin works on, in a few words.</summary>
    string Work { get; }

    /// <summary>
    /// Does the plugin's work once, on several threads and on data in its own heap, and keeps the result there until the next round.
    /// </summary>
    /// <param name="threads">How many threads work.</param>
    /// <returns>A checksum of the result, the same for every round.</returns>
    ulong RunRound(int threads);

    /// <summary>Works the checksum out a second way: by plain code, on one thread, on the garbage-collected heap.</summary>
    ulong WorkOutExpected();

    /// <summary>The figures of the plugin's heap at this moment.</summary>
    HeapView ViewHeap();

    /// <summary>Whether an address lies in memory that the plugin's heap has in use; any value may be asked about.</summary>
    bool HeapOwns(ulong address);
}
