namespace System.Runtime.CompilerServices;

// What the compiler needs for records, and netstandard2.0 lacks.
internal static class IsExternalInit;
