MyHeap.KernelAccess.Libc = 1
MyHeap.KernelAccess.SystemLibraries = 2
MyHeap.KernelAccess.Trampolines = 0
class MyHeap
class MyHeap.Callbacks
class MyHeap.HeapArena
class MyHeap.HeapBufferWriter
class MyHeap.HeapSequenceWriter
enum MyHeap.KernelAccess
public MyHeap.HeapArena.Checkpoint MyHeap.HeapArena.Mark()
public System.Buffers.ReadOnlySequence<byte> MyHeap.HeapSequenceWriter.WrittenSequence { get; }
public System.IO.Stream MyHeap.HeapBufferWriter.AsStream()
public System.Memory<T> MyHeap.HeapPooledMemory<T>.Memory { get; }
public System.Memory<byte> MyHeap.HeapBufferWriter.GetMemory([int sizeHint = 0])
public System.Memory<byte> MyHeap.HeapSequenceWriter.GetMemory([int sizeHint = 0])
public System.ReadOnlyMemory<byte> MyHeap.HeapBufferWriter.WrittenMemory { get; }
public System.ReadOnlySpan<byte> MyHeap.HeapBufferWriter.WrittenSpan { get; }
public System.Span<T> MyHeap.HeapArena.AllocSpan<T>(int length) where T : unmanaged
public System.Span<T> MyHeap.HeapArena.AllocZeroedSpan<T>(int length) where T : unmanaged
public System.Span<T> MyHeap.HeapPooledMemory<T>.Span { get; }
public System.Span<T> MyHeap.HeapScopedArena.AllocSpan<T>(int length) where T : unmanaged
public System.Span<T> MyHeap.HeapScopedArena.AllocZeroedSpan<T>(int length) where T : unmanaged
public System.Span<byte> MyHeap.HeapBufferWriter.GetSpan([int sizeHint = 0])
public System.Span<byte> MyHeap.HeapSequenceWriter.GetSpan([int sizeHint = 0])
public T* MyHeap.HeapArena.Alloc<T>([nuint count = 1]) where T : unmanaged
public T* MyHeap.HeapArena.AllocZeroed<T>([nuint count = 1]) where T : unmanaged
public T* MyHeap.LocalHeap.Alloc<T>([nuint count = 1]) where T : unmanaged
public bool MyHeap.HeapStatistics.HasCallbacks { get; }
public delegate* unmanaged[Cdecl]<int, int> MyHeap.Callbacks.SqliteMethods.Roundup
public delegate* unmanaged[Cdecl]<int, void*> MyHeap.Callbacks.SqliteMethods.Malloc
public delegate* unmanaged[Cdecl]<void*, int, void*> MyHeap.Callbacks.SqliteMethods.Realloc
public delegate* unmanaged[Cdecl]<void*, int> MyHeap.Callbacks.SqliteMethods.Init
public delegate* unmanaged[Cdecl]<void*, int> MyHeap.Callbacks.SqliteMethods.Size
public delegate* unmanaged[Cdecl]<void*, void> MyHeap.Callbacks.SqliteMethods.Free
public delegate* unmanaged[Cdecl]<void*, void> MyHeap.Callbacks.SqliteMethods.Shutdown
public int MyHeap.HeapBufferWriter.Capacity { get; }
public int MyHeap.HeapBufferWriter.WrittenCount { get; }
public long MyHeap.HeapSequenceWriter.WrittenCount { get; }
public long MyHeap.HeapStatistics.CachedBytes { get; }
public long MyHeap.HeapStatistics.FailedAllocations { get; }
public long MyHeap.HeapStatistics.FreeBytes { get; }
public long MyHeap.HeapStatistics.HeaderBytes { get; }
public long MyHeap.HeapStatistics.InUseBytes { get; }
public long MyHeap.HeapStatistics.LargeBlocks { get; }
public long MyHeap.HeapStatistics.LiveArenas { get; }
public long MyHeap.HeapStatistics.LiveBlocks { get; }
public long MyHeap.HeapStatistics.LiveOwners { get; }
public long MyHeap.HeapStatistics.LivePins { get; }
public long MyHeap.HeapStatistics.MappedBytes { get; }
public long MyHeap.HeapStatistics.MemoryLimit { get; }
public long MyHeap.HeapStatistics.PeakMappedBytes { get; }
public long MyHeap.HeapStatistics.Segments { get; }
public long MyHeap.HeapStatistics.ThreadCaches { get; }
public override string MyHeap.HeapStatistics.ToString()
public static MyHeap.Callbacks.SqliteMethods MyHeap.Callbacks.Sqlite { get; }
public static MyHeap.HeapArena MyHeap.CreateArena([nuint chunkBytes = 65536])
public static MyHeap.HeapBufferWriter MyHeap.CreateBufferWriter([int initialCapacity = 0])
public static MyHeap.HeapPooledMemory<T> MyHeap.RentPooled<T>(int length) where T : unmanaged
public static MyHeap.HeapScopedArena MyHeap.ScopedArena(System.Span<byte> buffer)
public static MyHeap.HeapSequenceWriter MyHeap.CreateSequenceWriter()
public static MyHeap.HeapStatistics MyHeap.GetStatistics()
public static MyHeap.KernelAccess MyHeap.Kernel { get; }
public static MyHeap.LocalHeap MyHeap.Local { get; }
public static System.Buffers.IMemoryOwner<T> MyHeap.Rent<T>(int length) where T : unmanaged
public static System.Buffers.IMemoryOwner<T> MyHeap.RentZeroed<T>(int length) where T : unmanaged
public static System.Buffers.MemoryPool<byte> MyHeap.Pool { get; }
public static System.Func<nuint, bool>? MyHeap.OutOfMemoryHandler { get; set; }
public static System.Span<T> MyHeap.AllocSpan<T>(int length) where T : unmanaged
public static T* MyHeap.Alloc<T>([nuint count = 1]) where T : unmanaged
public static T* MyHeap.TryAlloc<T>([nuint count = 1]) where T : unmanaged
public static bool MyHeap.Owns(void* ptr)
public static delegate* unmanaged[Cdecl]<byte*, byte*> MyHeap.Callbacks.Strdup { get; }
public static delegate* unmanaged[Cdecl]<nuint, nuint, void*> MyHeap.Callbacks.AlignedAlloc { get; }
public static delegate* unmanaged[Cdecl]<nuint, nuint, void*> MyHeap.Callbacks.Calloc { get; }
public static delegate* unmanaged[Cdecl]<nuint, void*> MyHeap.Callbacks.Malloc { get; }
public static delegate* unmanaged[Cdecl]<void*, int, int, void*> MyHeap.Callbacks.Bzip2Alloc { get; }
public static delegate* unmanaged[Cdecl]<void*, nuint, void*> MyHeap.Callbacks.OpaqueAlloc { get; }
public static delegate* unmanaged[Cdecl]<void*, nuint, void*> MyHeap.Callbacks.Realloc { get; }
public static delegate* unmanaged[Cdecl]<void*, nuint> MyHeap.Callbacks.UsableSize { get; }
public static delegate* unmanaged[Cdecl]<void*, uint, uint, void*> MyHeap.Callbacks.ZlibAlloc { get; }
public static delegate* unmanaged[Cdecl]<void*, void*, nuint, nuint, void*> MyHeap.Callbacks.LuaAlloc { get; }
public static delegate* unmanaged[Cdecl]<void*, void*, void> MyHeap.Callbacks.OpaqueFree { get; }
public static delegate* unmanaged[Cdecl]<void*, void> MyHeap.Callbacks.Free { get; }
public static long MyHeap.MemoryLimit { get; set; }
public static nint MyHeap.AllocHGlobal(int cb)
public static nint MyHeap.AllocHGlobal(nint cb)
public static nint MyHeap.ReAllocHGlobal(nint pv, nint cb)
public static nuint MyHeap.GoodSize(nuint byteCount)
public static nuint MyHeap.GoodSize(nuint byteCount, nuint alignment)
public static nuint MyHeap.Trim()
public static nuint MyHeap.UsableSize(void* ptr)
public static string MyHeap.GeneratorVersion { get; }
public static void MyHeap.AlignedFree(void* ptr)
public static void MyHeap.Clear(void* ptr, nuint byteCount)
public static void MyHeap.Copy(void* source, void* destination, nuint byteCount)
public static void MyHeap.Destroy()
public static void MyHeap.Fill(void* ptr, nuint byteCount, byte value)
public static void MyHeap.Free(void* ptr)
public static void MyHeap.Free<T>(System.Span<T> span) where T : unmanaged
public static void MyHeap.FreeHGlobal(nint hglobal)
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
public void MyHeap.HeapArena.Dispose()
public void MyHeap.HeapArena.Reset()
public void MyHeap.HeapArena.Rewind(MyHeap.HeapArena.Checkpoint mark)
public void MyHeap.HeapBufferWriter.Advance(int count)
public void MyHeap.HeapBufferWriter.Clear()
public void MyHeap.HeapBufferWriter.Dispose()
public void MyHeap.HeapPooledMemory<T>.Dispose()
public void MyHeap.HeapScopedArena.Dispose()
public void MyHeap.HeapSequenceWriter.Advance(int count)
public void MyHeap.HeapSequenceWriter.Clear()
public void MyHeap.HeapSequenceWriter.Dispose()
public void MyHeap.LocalHeap.Free(void* ptr)
public void* MyHeap.Callbacks.SqliteMethods.AppData
public void* MyHeap.HeapArena.Alloc(nuint byteCount)
public void* MyHeap.HeapArena.Alloc(nuint byteCount, nuint alignment)
public void* MyHeap.HeapArena.AllocZeroed(nuint byteCount)
public void* MyHeap.LocalHeap.Alloc(nuint byteCount)
public void* MyHeap.LocalHeap.AllocZeroed(nuint byteCount)
public void* MyHeap.LocalHeap.TryAlloc(nuint byteCount)
readonly ref struct MyHeap.LocalHeap
readonly struct MyHeap.HeapArena.Checkpoint
readonly struct MyHeap.HeapPooledMemory<T> where T : unmanaged
readonly struct MyHeap.HeapStatistics
ref struct MyHeap.HeapScopedArena
struct MyHeap.Callbacks.SqliteMethods
