namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>A test that begins with the caches of a heap that only its own thread has used, if at all.</summary>
        public abstract class FewCachesTest : HeapTest, IDisposable
        {
            private readonly List<nuint> _others;

            protected FewCachesTest()
            {
                nuint own = (nuint)CacheInternals.Own;
                _others = CacheInternals.All();
                CacheInternals.SetList(_others.Remove(own) ? [own] : []);
            }

            public new void Dispose()
            {
                base.Dispose();
                CacheInternals.SetList([.. CacheInternals.All(), .. _others]);
            }
        }
    }
}
