using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace Emma.Consumers.Harness;

/// <summary>What the metadata of a built assembly says.</summary>
/// <param name="Types">The full names of the types that are not nested.</param>
/// <param name="References">The names of the assemblies that it references.</param>
/// <param name="NativeImports">How many native functions and libraries it imports.</param>
/// <param name="IsUnsafe">Whether it was compiled with unsafe code allowed.</param>
public sealed record AssemblyFacts(string[] Types, string[] References, int NativeImports, bool IsUnsafe)
{
    public static AssemblyFacts Read(string path)
    {
        using var file = new PEReader(File.OpenRead(path));
        MetadataReader metadata = file.GetMetadataReader();
        string[] types = metadata.TypeDefinitions
            .Select(metadata.GetTypeDefinition)
            .Where(type => type.GetDeclaringType().IsNil)
            .Select(type => FullName(metadata, type.Namespace, type.Name))
            .Where(name => name != "<Module>")
            .ToArray();
        string[] references = metadata.AssemblyReferences
            .Select(reference => metadata.GetString(metadata.GetAssemblyReference(reference).Name))
            .ToArray();
        int imports = metadata.GetTableRowCount(TableIndex.ImplMap)
            + metadata.GetTableRowCount(TableIndex.ModuleRef);

        // The compiler puts this attribute on the module of every assembly it compiles with /unsafe.
        bool isUnsafe = metadata.GetModuleDefinition().GetCustomAttributes()
            .Any(attribute => AttributeName(metadata, attribute) == "System.Security.UnverifiableCodeAttribute");
        return new AssemblyFacts(types, references, imports, isUnsafe);
    }

    private static string AttributeName(MetadataReader metadata, CustomAttributeHandle attribute)
    {
        EntityHandle constructor = metadata.GetCustomAttribute(attribute).Constructor;
        if (constructor.Kind != HandleKind.MemberReference)
            return "";

        EntityHandle parent = metadata.GetMemberReference((MemberReferenceHandle)constructor).Parent;
        if (parent.Kind != HandleKind.TypeReference)
            return "";

        TypeReference type = metadata.GetTypeReference((TypeReferenceHandle)parent);
        return FullName(metadata, type.Namespace, type.Name);
    }

    private static string FullName(MetadataReader metadata, StringHandle space, StringHandle name) =>
        space.IsNil ? metadata.GetString(name) : $"{metadata.GetString(space)}.{metadata.GetString(name)}";
}
