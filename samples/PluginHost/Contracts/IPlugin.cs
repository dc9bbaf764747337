namespace PluginHost.Contracts;

/// <summary>What a plugin does for its host. The host loads the one class of an assembly that implements this.</summary>
public interface IPlugin
{
    /// <summary>Does a bit of work; called again and again by one thread.</summary>
    void Work();

    /// <summary>Is called when the plugin has used most of its quota, perhaps by another thread. A good plugin frees what it can.</summary>
    void MemoryIsLow();
}
