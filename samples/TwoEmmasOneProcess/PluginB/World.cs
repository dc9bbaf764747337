namespace TwoEmmasOneProcess.PluginB;

// All particles and a long-exposure picture of their paths, off-heap. The box is cut into horizontal bands of cells, one band a thread; a
// thread touches only particles and picture points that lie in its band when a step begins.
internal sealed unsafe class World
{
    // The picture is 4 MiB: a large block with a mapping of its own.
    private const int PointsPerSide = 1024;
    public const int PointCount = PointsPerSide * PointsPerSide;
    private const int PointSize = Particle.BoxSize / PointsPerSide;

    private readonly int _count;
    private readonly Particle* _particles;
    private readonly int* _picture;

    public World(int count)
    {
        _count = count;
        _particles = PluginHeap.Alloc<Particle>((nuint)count);
        for (int i = 0; i < count; i++)
            _particles[i] = Particle.Create(i);

        _picture = (int*)PluginHeap.AllocZeroed(PointCount, sizeof(int));
    }

    public void Run(int steps, int threads)
    {
        using var barrier = new Barrier(threads);
        var workers = new Thread[threads];
        for (int i = 0; i < threads; i++)
        {
            int firstRow = Particle.CellsPerSide * i / threads;
            int endRow = Particle.CellsPerSide * (i + 1) / threads;
            workers[i] = new Thread(() => RunBand(firstRow, endRow, steps, barrier));
            workers[i].Start();
        }

        foreach (Thread worker in workers)
            worker.Join();
    }

    // A checksum over particles and picture.
    public ulong Checksum()
    {
        ulong checksum = 0;
        for (int i = 0; i < _count; i++)
            checksum = Mix(Mix(checksum, _particles[i].X), _particles[i].Y);

        for (int i = 0; i < PointCount; i++)
            checksum = Mix(checksum, _picture[i]);

        return checksum;
    }

    public void Free()
    {
        PluginHeap.Free(_particles);
        PluginHeap.Free(_picture);
    }

    public static ulong Mix(ulong checksum, int value) => (checksum ^ (uint)value) * 0x100000001b3;

    // The point of the picture that shows a particle, counted row by row.
    public static int PointOf(in Particle particle) => particle.Y / PointSize * PointsPerSide + particle.X / PointSize;

    private void RunBand(int firstRow, int endRow, int steps, Barrier barrier)
    {
        int firstCell = firstRow * Particle.CellsPerSide;
        int endCell = endRow * Particle.CellsPerSide;
        for (int step = 0; step < steps; step++)
        {
            var cells = new CellLists(firstCell, endCell);
            for (int i = 0; i < _count; i++)
                cells.AddIfInside(_particles[i].Cell, i);

            // Every thread has looked at all positions before any of them changes, and the other way round below.
            barrier.SignalAndWait();
            for (int cell = firstCell; cell < endCell; cell++)
                StepCell(cells[cell]);

            cells.Free();
            barrier.SignalAndWait();
        }
    }

    private void StepCell(ReadOnlySpan<int> inside)
    {
        foreach (int one in inside)
        {
            foreach (int other in inside)
                _particles[one].PushAwayFrom(_particles[other]);
        }

        foreach (int one in inside)
        {
            _picture[PointOf(_particles[one])]++;
            _particles[one].Move();
        }
    }
}
