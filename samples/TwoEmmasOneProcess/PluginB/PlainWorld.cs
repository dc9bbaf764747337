namespace TwoEmmasOneProcess.PluginB;

// The same world by the plainest code there is: one thread, arrays and lists of the garbage-collected heap.
internal static class PlainWorld
{
    public static ulong ChecksumAfter(int count, int steps)
    {
        Particle[] particles = Enumerable.Range(0, count).Select(Particle.Create).ToArray();
        int[] picture = new int[World.PointCount];

        for (int step = 0; step < steps; step++)
        {
            foreach (int[] inside in Enumerable.Range(0, count).GroupBy(i => particles[i].Cell).Select(cell => cell.ToArray()).ToList())
            {
                foreach (int one in inside)
                {
                    foreach (int other in inside)
                        particles[one].PushAwayFrom(particles[other]);
                }
            }

            for (int i = 0; i < count; i++)
            {
                picture[World.PointOf(particles[i])]++;
                particles[i].Move();
            }
        }

        ulong checksum = 0;
        foreach (Particle particle in particles)
            checksum = World.Mix(World.Mix(checksum, particle.X), particle.Y);

        return picture.Aggregate(checksum, World.Mix);
    }
}
