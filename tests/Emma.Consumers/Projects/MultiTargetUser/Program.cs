using System.Reflection;
using System.Runtime.Loader;

int wrong = 0;
foreach (string path in args)
{
    Assembly half = new AssemblyLoadContext(path).LoadFromAssemblyPath(path);
    string complaints = (string)half.GetType("Work")!.GetMethod("Run")!.Invoke(null, null)!;
    wrong += complaints.Length;
    Type heap = half.GetType("MultiTarget.Memory.Blocks")!;
    Console.WriteLine($"{complaints}{(heap.GetMethod("Trim") is null ? "over Marshal" : "a heap")}");
}

return wrong == 0 ? 0 : 1;
