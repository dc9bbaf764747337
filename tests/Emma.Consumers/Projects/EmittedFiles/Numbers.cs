[assembly: EmmaAllocator("EmittedFiles.Blocks")]

namespace EmittedFiles;

public static unsafe class Numbers
{
    public static void* Take() => Blocks.Alloc(64);
}
