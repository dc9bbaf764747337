using TwoEmmasOneProcess.Contracts;

namespace TwoEmmasOneProcess.Host;

// Where one heap lies at a moment when its plugin stands still.
// View: the heap's own figures.
// Owned: the pages that the heap calls its own, neighbours joined.
// Resident: the bytes of them that the kernel held in memory then.
// Mappings: the lines of /proc/self/maps that hold those pages, and the one before them that describes them.
internal sealed record HeapFootprint(HeapView View, List<AddressRange> Owned, List<Mapping> Mappings, long Resident)
{
    // A heap keeps the map of its pages this close below the first of them; nobody else maps anything near by.
    private const ulong DescriptionDistance = 16 << 20;

    // Asks the plugin's heap about every page of the process that could be its own: the heap says what is its, the kernel says what there
    // is.
    public static HeapFootprint Take(IPlugin plugin)
    {
        List<Mapping> candidates = Mapping.ReadAll().Where(mapping => mapping.CanHoldBlocks).ToList();
        List<AddressRange> owned = FindOwned(plugin, candidates);
        if (owned.Count == 0)
            return new HeapFootprint(plugin.ViewHeap(), owned, [], Resident: 0);

        var surroundings = new AddressRange(owned[0].Start - DescriptionDistance, owned[^1].End);
        List<Mapping> mappings = candidates.Where(mapping => mapping.Range.Overlaps(surroundings)).ToList();
        return new HeapFootprint(plugin.ViewHeap(), owned, mappings, ResidentIn(mappings));
    }

    // Whether nothing at all is mapped any more where the heap was.
    public bool HasVanished()
    {
        List<Mapping> present = Mapping.ReadAll();
        return Mappings.Count > 0 && !Mappings.Any(mapping => present.Any(other => other.Range.Overlaps(mapping.Range)));
    }

    // What of the heap's addresses the kernel holds in memory now.
    public long ReadResident() => ResidentIn(Mappings);

    public bool IsDisjointFrom(HeapFootprint other) =>
        Mappings.Count > 0 && other.Mappings.Count > 0
        && !Mappings.Any(mapping => other.Mappings.Any(theirs => theirs.Range.Overlaps(mapping.Range)));

    private static long ResidentIn(List<Mapping> mappings) => Mapping.ReadResident(mappings.ConvertAll(mapping => mapping.Range));

    private static List<AddressRange> FindOwned(IPlugin plugin, List<Mapping> candidates)
    {
        var owned = new List<AddressRange>();
        foreach (ulong page in candidates.SelectMany(mapping => mapping.Range.HeapPages()).Where(plugin.HeapOwns))
        {
            if (owned.Count > 0 && owned[^1].End == page)
                owned[^1] = owned[^1] with { End = page + AddressRange.HeapPage };
            else
                owned.Add(new AddressRange(page, page + AddressRange.HeapPage));
        }

        return owned;
    }
}
