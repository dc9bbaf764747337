[assembly: EmmaAllocator("EmittedFiles.Pool")]

namespace EmittedFiles;

public static unsafe class Numbers
{
    public static void* Take() => Pool.Alloc(64);
}
