using System.Reflection;
using System.Reflection.Metadata;

namespace Emma.Hosting;

// What an assembly's metadata say of a heap in it: the entry's type, the version and the options, in one text.
internal sealed class HeapMetadata
{
    private const string Key = "Emma.Heap";
    private const string Separator = "; ";
    private const ushort AttributeProlog = 1;

    private readonly string[] _parts;

    private HeapMetadata(string text) => _parts = text.Split(Separator);

    // The full name of the class that a host may call.
    public string EntryType => _parts[0];

    // The full name of the heap's class, in which the entry is nested.
    public string HeapName => EntryType.Split('+')[0];

    public Version Version => _parts.Length > 1 && Version.TryParse(_parts[1], out Version? version) ? version : new Version(0, 0);

    public HeapOptions Options => new(_parts.Skip(2));

    // All of an assembly's. Reads the tables as they lie there where that is possible: to ask for attributes resolves the types of all of
    // them, which may load assemblies, or fail for one that is missing.
    public static List<HeapMetadata> ReadAll(Assembly assembly)
    {
        List<HeapMetadata> found = [];
        if (assembly.IsDynamic)
            return found;

        if (!TryReadTables(assembly, found))
        {
            found.AddRange(assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
                .Where(attribute => attribute is { Key: Key, Value: not null })
                .Select(attribute => new HeapMetadata(attribute.Value!)));
        }

        return found;
    }

    private static unsafe bool TryReadTables(Assembly assembly, List<HeapMetadata> found)
    {
        if (!assembly.TryGetRawMetadata(out byte* tables, out int length))
            return false;

        MetadataReader reader = new(tables, length);
        foreach (CustomAttributeHandle handle in reader.GetAssemblyDefinition().GetCustomAttributes())
        {
            CustomAttribute attribute = reader.GetCustomAttribute(handle);
            if (IsMetadataAttribute(reader, attribute))
            {
                BlobReader value = reader.GetBlobReader(attribute.Value);
                if (value.ReadUInt16() == AttributeProlog
                    && value.ReadSerializedString() == Key
                    && value.ReadSerializedString() is string text)
                {
                    found.Add(new HeapMetadata(text));
                }
            }
        }

        // The tables go with the assembly.
        GC.KeepAlive(assembly);
        return true;
    }

    private static bool IsMetadataAttribute(MetadataReader reader, CustomAttribute attribute)
    {
        if (attribute.Constructor.Kind != HandleKind.MemberReference)
            return false;

        EntityHandle parent = reader.GetMemberReference((MemberReferenceHandle)attribute.Constructor).Parent;
        if (parent.Kind != HandleKind.TypeReference)
            return false;

        TypeReference type = reader.GetTypeReference((TypeReferenceHandle)parent);
        return reader.StringComparer.Equals(type.Name, nameof(AssemblyMetadataAttribute))
            && reader.StringComparer.Equals(type.Namespace, "System.Reflection");
    }
}
