using System.Runtime;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>C's allocating functions, those of the C library or of the heap.</summary>
        internal sealed class CAllocator
        {
            private delegate* unmanaged[Cdecl]<nuint, void*> _malloc;
            private delegate* unmanaged[Cdecl]<nuint, nuint, void*> _calloc;
            private delegate* unmanaged[Cdecl]<void*, nuint, void*> _realloc;
            private delegate* unmanaged[Cdecl]<void*, void> _free;
            private delegate* unmanaged[Cdecl]<nuint, nuint, void*> _alignedAlloc;
            private delegate* unmanaged[Cdecl]<void*, nuint> _usableSize;
            private delegate* unmanaged[Cdecl]<byte*, byte*> _strdup;

            internal static CAllocator OfHeap => new CAllocator
            {
                _malloc = Callbacks.Malloc,
                _calloc = Callbacks.Calloc,
                _realloc = Callbacks.Realloc,
                _free = Callbacks.Free,
                _alignedAlloc = Callbacks.AlignedAlloc,
                _usableSize = Callbacks.UsableSize,
                _strdup = Callbacks.Strdup,
            };

            internal static CAllocator Of(nint library) => new CAllocator
            {
                _malloc = (delegate* unmanaged[Cdecl]<nuint, void*>)NativeLibrary.GetExport(library, "malloc"),
                _calloc = (delegate* unmanaged[Cdecl]<nuint, nuint, void*>)NativeLibrary.GetExport(library, "calloc"),
                _realloc = (delegate* unmanaged[Cdecl]<void*, nuint, void*>)NativeLibrary.GetExport(library, "realloc"),
                _free = (delegate* unmanaged[Cdecl]<void*, void>)NativeLibrary.GetExport(library, "free"),
                _alignedAlloc = (delegate* unmanaged[Cdecl]<nuint, nuint, void*>)NativeLibrary.GetExport(library, "aligned_alloc"),
                _usableSize = (delegate* unmanaged[Cdecl]<void*, nuint>)NativeLibrary.GetExport(library, "malloc_usable_size"),
                _strdup = (delegate* unmanaged[Cdecl]<byte*, byte*>)NativeLibrary.GetExport(library, "strdup"),
            };

            // What the rules of C and of Linux leave no choice in.
            internal string[] Answers()
            {
                nuint huge = nuint.MaxValue / 2;
                List<string> answers = [];
                void* none = _malloc(0), other = _malloc(0);
                answers.Add($"two blocks of no bytes: {none != null && other != null && none != other}");
                _free(none);
                _free(other);
                _free(null);
                foreach (nuint size in new nuint[] { 1, 100, 5000, 100_000, 3 << 20 })
                {
                    byte* block = (byte*)_malloc(size);
                    answers.Add($"{size} at 16: {(nuint)block % 16 == 0}, usable: {_usableSize(block) >= size}");
                    block[size - 1] = 7;
                    block = (byte*)_realloc(block, size * 3);
                    answers.Add($"{size} times 3: {block[size - 1]}, usable: {_usableSize(block) >= size * 3}");
                    block = (byte*)_realloc(block, size);
                    answers.Add($"{size} again: {block[size - 1]}");
                    answers.Add($"{size} to none: {(nuint)_realloc(block, 0)}");
                    block = (byte*)_calloc(size, 2);
                    answers.Add($"{size} of zeros: {new Span<byte>(block, (int)size * 2).IndexOfAnyExcept((byte)0)}");
                    _free(block);
                    block = (byte*)_alignedAlloc(4096, size);
                    answers.Add($"{size} at 4096: {(nuint)block % 4096 == 0}");
                    _free(block);
                }

                void* first = _realloc(null, 100);
                answers.Add($"from nothing: {first != null}, usable of nothing: {_usableSize(null)}");
                _free(first);
                answers.Add(Refused("malloc", _malloc(huge)));
                answers.Add(Refused("calloc", _calloc(huge, 4)));
                answers.Add(Refused("calloc with a product that is small again", _calloc((nuint)1 << 63, 2)));
                void* kept = _malloc(100);
                answers.Add(Refused("realloc", _realloc(kept, huge)));
                answers.Add(Refused("aligned_alloc", _alignedAlloc(64, huge)));
                Marshal.SetLastSystemError(77);
                _free(kept);
                answers.Add($"free leaves errno: {Marshal.GetLastSystemError()}");
                void* large = _malloc(64 << 20);
                Marshal.SetLastSystemError(77);
                _free(large);
                answers.Add($"free of a mapping leaves errno: {Marshal.GetLastSystemError()}");
                fixed (byte* text = "eins zwei"u8)
                {
                    byte* copy = _strdup(text);
                    answers.Add($"{Marshal.PtrToStringUTF8((nint)copy)} {copy != text}");
                    _free(copy);
                }

                return [.. answers];
            }

            // Everything in a row, without a string or a list.
            [MethodImpl(MethodImplOptions.AggressiveOptimization)]
            internal int Run(int most)
            {
                int wrong = 0;
                for (nuint size = 1; size < 16 << 20; size = size * 3 + 1)
                {
                    byte* block = (byte*)_malloc(size);
                    block = (byte*)_realloc(block, size * 2);
                    wrong += _usableSize(block) >= size * 2 ? 0 : 1;
                    block = (byte*)_realloc(block, size);
                    _free(block);
                    block = (byte*)_calloc(size, 2);
                    wrong += *block;
                    _free(block);
                    block = (byte*)_alignedAlloc(256, size);
                    wrong += (nuint)block % 256 == 0 ? 0 : 1;
                    _free(_realloc(block, 0));
                    _free(_realloc(null, size));
                }

                byte letter = 0;
                _free(_strdup(&letter));
                wrong += _malloc(nuint.MaxValue / 2) == null ? 0 : 1;
                wrong += _calloc(nuint.MaxValue / 2, 3) == null ? 0 : 1;
                void** last = null;
                for (int i = 0; i < most; i++)
                {
                    void** next = (void**)_malloc((nuint)(i % 2 == 0 ? 1000 : 100_000));
                    if (next == null)
                        break;
                    *next = last;
                    last = next;
                }

                for (int i = 0; last != null; i++)
                {
                    void** before = (void**)*last;
                    _free(last);
                    last = before;
                }

                return wrong;
            }

            private static string Refused(string function, void* block) =>
                $"{function}: {(nuint)block}, errno {Marshal.GetLastSystemError()}";
        }

        /// <summary>What copies of the heap do with callbacks in load contexts of their own.</summary>
        public static class CallbackWork
        {
            internal const int IsInside = 0;
            internal const int MayGo = 1;

            // Whether a thread is within the handler, and whether it may leave.
            private static readonly nint* s_words = (nint*)NativeMemory.AllocZeroed(2, (nuint)sizeof(nint));

            /// <summary>Gives C a pointer, and has a handler wait within it.</summary>
            /// <returns>The pointer; the method that it leads to in a plugin; where machine code for C lies; where the heap's own does;
            /// the words of the handler.</returns>
            public static nuint[] GiveToC()
            {
                OutOfMemoryHandler = static _ =>
                {
                    Volatile.Write(ref s_words[IsInside], 1);
                    while (Volatile.Read(ref s_words[MayGo]) == 0)
                        Thread.Sleep(1);
                    return false;
                };
                return
                [
                    (nuint)Callbacks.Malloc, (nuint)(delegate* unmanaged[Cdecl]<nuint, void*>)&CEntries.Malloc, (nuint)Heap->CodeForC,
                    KernelMode.CodeAddress, (nuint)s_words,
                ];
            }

            public static nuint[] AskTwice()
            {
                nuint before = Has();
                Free(Alloc(100));
                void* block = Callbacks.Malloc(100);
                nuint with = Has();
                Destroy();
                Span<long> figures = stackalloc long[20];
                int count = HostEntry.ReadFigures(figures);
                return [before, with, Has(), (nuint)figures[count - 1]];

                static nuint Has() => GetStatistics().HasCallbacks ? (nuint)1 : 0;
            }

            public static nuint[] UseFromC()
            {
                Expect.Equal(0, CAllocator.OfHeap.Run(1000));
                nuint thread;
                void* block;
                Expect.Equal(0, Libc.CreateThread(&thread, null, Callbacks.Malloc, (void*)100));
                Expect.Equal(0, Libc.Join(thread, &block));
                return [(nuint)block, KernelMode.CodeAddress];
            }
        }

        public static partial class Scenarios
        {
            internal const string Operation = "EMMA_OPERATION";

            public static void PassABadPointerToC()
            {
                Callbacks.Free(Callbacks.Malloc(100));
                void* block = Libc.Malloc(100);
                switch (Environment.GetEnvironmentVariable(Operation))
                {
                    case "Free":
                        Callbacks.Free(block);
                        break;
                    case "Realloc":
                        Callbacks.Realloc(block, 1000);
                        break;
                    default:
                        Callbacks.UsableSize(block);
                        break;
                }
            }

            public static void CallFromCWithoutCompiling()
            {
                // The runtime's part of a call into C, for each signature, and the test's own code.
                Must(CAllocator.Of(NativeLibrary.Load("libc.so.6")).Run(1000) == 0, "the C library");
                MemoryLimit = 64 << 20;
                CAllocator heap = CAllocator.OfHeap;
                JitInfo.GetCompiledMethodCount(currentThread: true);
                long before = JitInfo.GetCompiledMethodCount(currentThread: true);
                int wrong = heap.Run(int.MaxValue);
                long compiled = JitInfo.GetCompiledMethodCount(currentThread: true) - before;
                Must(wrong == 0, $"{wrong} wrong answers");
                Must(compiled == 0, $"{compiled} methods were compiled");
                Must(GetStatistics().LiveBlocks == 0, "something is left");
            }

            // Without a key that glibc keeps in the thread control block.
            public static void CallFromCWithoutMachineCode()
            {
                const uint fastKeys = 32;
                PosixThreads.TakeKeys(fastKeys);
                CallFromCWithoutCompiling();
            }

            public static void ForkWithCallbacks()
            {
                Must(CAllocator.Of(NativeLibrary.Load("libc.so.6")).Run(1000) == 0, "the C library");
                PrepareToFork();
                CAllocator heap = CAllocator.OfHeap;
                for (int i = 0; i < 10; i++)
                {
                    int child = Libc.Fork();
                    if (child == 0)
                        Libc.Exit(heap.Run(1000));
                    Must(WaitFor(child) == 0, $"fork {i}: the child's work failed");
                }

                Must(heap.Run(1000) == 0, "the parent's work failed");
            }
        }
    }
}
