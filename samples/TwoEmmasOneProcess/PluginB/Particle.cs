namespace TwoEmmasOneProcess.PluginB;

// One particle and the laws it obeys, in whole numbers: sums of them do not depend on the order of their terms, so every thread count gives
// the same world to the last bit.
internal struct Particle
{
    // The box is a square of this many units, cut into square cells; particles of one cell push each other.
    public const int BoxSize = CellsPerSide * CellSize;
    public const int CellsPerSide = 64;
    public const int CellSize = 1024;

    private const int TopSpeed = 256;

    public int X;
    public int Y;
    public int SpeedX;
    public int SpeedY;

    public readonly int Cell => Y / CellSize * CellsPerSide + X / CellSize;

    // The particle that a number stands for: the same start in every world.
    public static Particle Create(int number)
    {
        ulong random = (ulong)number + 1;
        return new Particle
        {
            X = Next(ref random, BoxSize),
            Y = Next(ref random, BoxSize),
            SpeedX = Next(ref random, 2 * TopSpeed + 1) - TopSpeed,
            SpeedY = Next(ref random, 2 * TopSpeed + 1) - TopSpeed,
        };
    }

    // Changes the particle's speed as another one near by would; close ones push harder.
    public void PushAwayFrom(in Particle other)
    {
        int distanceX = X - other.X;
        int distanceY = Y - other.Y;
        int squared = distanceX * distanceX + distanceY * distanceY + CellSize;
        SpeedX += distanceX * CellSize / squared;
        SpeedY += distanceY * CellSize / squared;
    }

    // Moves the particle by its speed for one step and turns it round at the walls.
    public void Move()
    {
        Move(ref X, ref SpeedX);
        Move(ref Y, ref SpeedY);
    }

    private static void Move(ref int position, ref int speed)
    {
        speed = Math.Clamp(speed, -TopSpeed, TopSpeed);
        position += speed;
        if (position is < 0 or >= BoxSize)
        {
            position = position < 0 ? -position : 2 * (BoxSize - 1) - position;
            speed = -speed;
        }
    }

    // SplitMix64's step, reduced to a number below a bound.
    private static int Next(ref ulong state, int bound)
    {
        state += 0x9e3779b97f4a7c15;
        ulong mixed = state;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
        return (int)((mixed ^ (mixed >> 31)) % (ulong)bound);
    }
}
