namespace Emma.Templates;

using ClrObjectDisposedException = global::System.ObjectDisposedException;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// The owner of rented memory, from <c>RentPooled</c>. Its object is used again by later rents, so that renting allocates nothing on
    /// the managed heap. Copies of it are one owner: once one is disposed, all are.
    /// </summary>
    /// <typeparam name="T">An unmanaged type.</typeparam>
    /// <remarks>
    /// Any thread may use it and dispose it, but a <c>Memory</c> or <c>Span</c> that is kept beyond <c>Dispose</c> may lead to another
    /// rent's elements: nothing refuses it. Use <c>Rent</c> where that cannot be ruled out. The default value owns nothing.
    /// </remarks>
    public readonly struct HeapPooledMemory<T> : global::System.Buffers.IMemoryOwner<T>
        where T : unmanaged
    {
        private readonly HeapInternals.Owner<T>? _owner;
        private readonly long _token;

        private HeapPooledMemory(HeapInternals.Owner<T> owner, long token)
        {
            _owner = owner;
            _token = token;
        }

        /// <summary>The elements, exactly as many as were rented.</summary>
        /// <exception cref="global::System.ObjectDisposedException">This owner was disposed, or the heap destroyed.</exception>
        public global::System.Memory<T> Memory
        {
            get
            {
                HeapInternals.Owner<T> owner = Required();
                return owner.Memory;
            }
        }

        /// <summary>The elements, exactly as many as were rented.</summary>
        /// <exception cref="global::System.ObjectDisposedException">This owner was disposed, or the heap destroyed.</exception>
        public global::System.Span<T> Span
        {
            get
            {
                HeapInternals.Owner<T> owner = Required();
                return owner.GetSpan();
            }
        }

        internal static HeapPooledMemory<T> Rent(int length, bool zeroed)
        {
            HeapInternals.Owner<T> owner = HeapInternals.OwnerPool<T>.Take();
            long token = owner.Token + 1;
            try
            {
                owner.Begin(length, zeroed, token);
            }
            catch
            {
                HeapInternals.OwnerPool<T>.Give(owner);
                throw;
            }

            return new HeapPooledMemory<T>(owner, token);
        }

        /// <summary>Gives the memory back, once its last pin is gone. A second call, also of a copy, does nothing.</summary>
        public void Dispose() => _owner?.End(_token);

        private HeapInternals.Owner<T> Required()
        {
            if (_owner is null)
                throw new ClrObjectDisposedException(nameof(HeapPooledMemory<T>), $"{HeapInternals.HeapName}: nothing was rented.");

            _owner.RequireUse(_token);
            return _owner;
        }
    }
}
