using ScottPlot;
using ScottPlot.Plottables;

namespace Emma.Benchmarks.Reporting;

// The tables as drawings.
internal static class Plots
{
    private const int Height = 560;
    private const int LeastWidth = 700;
    private const int WidthPerRow = 50;

    // Room for the names of rows, which stand aslant below the axis; steps of a quantity are short.
    private const float RowNamesHeight = 150;

    private const float RowNamesAngle = -35;
    private const float MarkerSize = 9;

    private static readonly MarkerShape[] s_markers =
    [
        MarkerShape.FilledCircle, MarkerShape.FilledSquare, MarkerShape.FilledDiamond, MarkerShape.FilledTriangleUp,
        MarkerShape.FilledTriangleDown,
    ];

    internal static void Write(string directory, ResultTable table)
    {
        if (table.Chart == Chart.None || table.Rows.Count == 0)
            return;

        Plot plot = new();
        string? reference = table.Chart == Chart.Ratios ? table.References.FirstOrDefault() : null;
        plot.Title(reference is null ? table.Title : $"{table.Title}, relative to {reference}", size: 14);
        foreach (string column in table.Columns)
            AddColumn(plot, table, column, reference);

        if (reference is not null)
            plot.Add.HorizontalLine(0, width: 1, color: Colors.Gray);

        LabelAxes(plot, table);
        Directory.CreateDirectory(directory);
        plot.SaveSvg(Path.Combine(directory, table.Name + ".svg"), LeastWidth + WidthPerRow * table.Rows.Count, Height);
    }

    // Figures are drawn by their binary logarithms: twice as good and twice as bad lie equally far from the reference.
    private static void AddColumn(Plot plot, ResultTable table, string column, string? reference)
    {
        List<double> xs = [];
        List<double> ys = [];
        int index = table.Columns.ToList().IndexOf(column);
        for (int row = 0; row < table.Rows.Count; row++)
        {
            Sample?[] cells = table.Rows[row].Cells;
            if ((reference is null ? ResultTable.Value(cells, index) : table.Ratio(cells, column, reference)) is double value)
            {
                xs.Add(row);
                ys.Add(Math.Log2(value));
            }
        }

        if (xs.Count == 0)
            return;

        Scatter points = plot.Add.Scatter(xs, ys);
        points.LegendText = column;
        points.MarkerSize = MarkerSize;
        points.MarkerShape = s_markers[index % s_markers.Length];
        points.LineWidth = table.HasSteps ? 2 : 0;
    }

    private static void LabelAxes(Plot plot, ResultTable table)
    {
        double[] rows = [.. Enumerable.Range(0, table.Rows.Count).Select(row => (double)row)];
        plot.Axes.Bottom.SetTicks(rows, [.. table.Rows.Select(row => row.Name)]);
        if (table.HasSteps)
        {
            plot.XLabel(table.RowHeader, size: 14);
        }
        else
        {
            plot.Axes.Bottom.TickLabelStyle.Rotation = RowNamesAngle;
            plot.Axes.Bottom.TickLabelStyle.Alignment = Alignment.MiddleRight;
            plot.Axes.Bottom.MinimumSize = RowNamesHeight;
        }

        plot.Axes.AutoScale();
        AxisLimits limits = plot.Axes.GetLimits();
        int lowest = (int)Math.Floor(limits.Bottom);
        double[] powers = [.. Enumerable.Range(lowest, (int)Math.Ceiling(limits.Top) - lowest + 1).Select(power => (double)power)];
        plot.Axes.Left.SetTicks(powers, [.. powers.Select(power => power < 0 ? $"1/{Math.Pow(2, -power)}" : $"{Math.Pow(2, power)}")]);
        plot.ShowLegend(Edge.Right);
    }
}
