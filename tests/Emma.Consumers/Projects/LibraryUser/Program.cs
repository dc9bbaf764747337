using Counters;

using var counter = new Counter();
return counter.Next() + counter.Next() == 3 ? 0 : 1;
