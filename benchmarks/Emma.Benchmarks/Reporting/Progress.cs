using Spectre.Console;

namespace Emma.Benchmarks.Reporting;

// A bar for each table that is being measured, with the row it is at.
internal sealed class Progress
{
    private readonly ProgressContext _context;
    private ProgressTask? _task;
    private string _title = "";

    private Progress(ProgressContext context) => _context = context;

    internal static void Run(Action<Progress> work) =>
        AnsiConsole.Progress()
            .Columns(
                new TaskDescriptionColumn { Alignment = Justify.Left },
                new ProgressBarColumn(),
                new PercentageColumn(),
                new ElapsedTimeColumn())
            .Start(context => work(new Progress(context)));

    internal void Begin(string title, int steps)
    {
        _title = title;
        _task = _context.AddTask(Markup.Escape(title), maxValue: Math.Max(1, steps));
    }

    // One of the steps is done.
    internal void Step(string what)
    {
        _task!.Increment(1);
        _task.Description = Markup.Escape(_task.IsFinished ? _title : $"{_title}: {what}");
    }
}
