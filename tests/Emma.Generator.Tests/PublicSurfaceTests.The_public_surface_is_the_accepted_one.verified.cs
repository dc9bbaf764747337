MyHeap.KernelAccess.Libc = 1
MyHeap.KernelAccess.Trampolines = 0
class MyHeap
enum MyHeap.KernelAccess
public T* MyHeap.LocalHeap.Alloc<T>([nuint count = 1]) where T : unmanaged
public long MyHeap.HeapStatistics.CachedBytes { get; }
public long MyHeap.HeapStatistics.FailedAllocations { get; }
public long MyHeap.HeapStatistics.FreeBytes { get; }
public long MyHeap.HeapStatistics.HeaderBytes { get; }
public long MyHeap.HeapStatistics.InUseBytes { get; }
public long MyHeap.HeapStatistics.LargeBlocks { get; }
public long MyHeap.HeapStatistics.LiveBlocks { get; }
public long MyHeap.HeapStatistics.MappedBytes { get; }
public long MyHeap.HeapStatistics.MemoryLimit { get; }
public long MyHeap.HeapStatistics.PeakMappedBytes { get; }
public long MyHeap.HeapStatistics.Segments { get; }
public long MyHeap.HeapStatistics.ThreadCaches { get; }
public override string MyHeap.HeapStatistics.ToString()
public static MyHeap.HeapStatistics MyHeap.GetStatistics()
public static MyHeap.KernelAccess MyHeap.Kernel { get; }
public static MyHeap.LocalHeap MyHeap.Local { get; }
public static System.Func<nuint, bool>? MyHeap.OutOfMemoryHandler { get; set; }
public static System.Span<T> MyHeap.AllocSpan<T>(int length) where T : unmanaged
public static T* MyHeap.Alloc<T>([nuint count = 1]) where T : unmanaged
public static T* MyHeap.TryAlloc<T>([nuint count = 1]) where T : unmanaged
public static bool MyHeap.Owns(void* ptr)
public static long MyHeap.MemoryLimit { get; set; }
public static nuint MyHeap.GoodSize(nuint byteCount)
public static nuint MyHeap.Trim()
public static nuint MyHeap.UsableSize(void* ptr)
public static void MyHeap.AlignedFree(void* ptr)
public static void MyHeap.Clear(void* ptr, nuint byteCount)
public static void MyHeap.Copy(void* source, void* destination, nuint byteCount)
public static void MyHeap.Destroy()
public static void MyHeap.Fill(void* ptr, nuint byteCount, byte value)
public static void MyHeap.Free(void* ptr)
public static void MyHeap.Free<T>(System.Span<T> span) where T : unmanaged
public static void MyHeap.Prepare()
public static void* MyHeap.AlignedAlloc(nuint byteCount, nuint alignment)
public static void* MyHeap.AlignedRealloc(void* ptr, nuint byteCount, nuint alignment)
public static void* MyHeap.Alloc(nuint byteCount)
public static void* MyHeap.Alloc(nuint elementCount, nuint elementSize)
public static void* MyHeap.AllocZeroed(nuint byteCount)
public static void* MyHeap.AllocZeroed(nuint elementCount, nuint elementSize)
public static void* MyHeap.Realloc(void* ptr, nuint byteCount)
public static void* MyHeap.TryAlignedAlloc(nuint byteCount, nuint alignment)
public static void* MyHeap.TryAlignedRealloc(void* ptr, nuint byteCount, nuint alignment)
public static void* MyHeap.TryAlloc(nuint byteCount)
public static void* MyHeap.TryAlloc(nuint elementCount, nuint elementSize)
public static void* MyHeap.TryAllocZeroed(nuint byteCount)
public static void* MyHeap.TryAllocZeroed(nuint elementCount, nuint elementSize)
public static void* MyHeap.TryRealloc(void* ptr, nuint byteCount)
public void MyHeap.LocalHeap.Free(void* ptr)
public void* MyHeap.LocalHeap.Alloc(nuint byteCount)
public void* MyHeap.LocalHeap.AllocZeroed(nuint byteCount)
public void* MyHeap.LocalHeap.TryAlloc(nuint byteCount)
readonly ref struct MyHeap.LocalHeap
readonly struct MyHeap.HeapStatistics
