using System.Text.Json;

namespace PluginHost;

// The plugins of a folder: loaded with their quotas, and anew when their files change.
internal sealed class PluginFolder
{
    private readonly string _folder;
    private readonly Dictionary<string, long> _quotas;
    private readonly Dictionary<string, DateTime> _loaded = [];

    public PluginFolder(string folder, string quotas)
    {
        _folder = folder;
        _quotas = JsonSerializer.Deserialize<Dictionary<string, long>>(File.ReadAllText(quotas))!
            .ToDictionary(quota => quota.Key, quota => quota.Value << 20);
        LoadChanged();
    }

    public List<HostedPlugin> Plugins { get; } = [];

    public HostedPlugin this[string name] => Plugins.Last(plugin => plugin.Name == name);

    // Loads what is new, and what has changed in place of what is loaded. Those without a quota are not loaded.
    public void LoadChanged()
    {
        foreach (string file in Directory.GetFiles(_folder, "*.dll").Order())
        {
            string name = Path.GetFileNameWithoutExtension(file);
            DateTime written = File.GetLastWriteTimeUtc(file);
            if (!_quotas.TryGetValue(name, out long quota) || (_loaded.TryGetValue(name, out DateTime known) && known == written))
                continue;

            Plugins.LastOrDefault(plugin => plugin.Name == name)?.Unload();
            _loaded[name] = written;
            Plugins.Add(HostedPlugin.Load(file, quota));
        }
    }
}
