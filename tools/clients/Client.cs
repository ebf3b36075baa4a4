// Follows a pipeline on this machine: add it to an object in Unity. Command is 0 when in doubt.
// Packages of NuGet: NetMQ 4 and MessagePack 3; see the README beside this file.
using System.Collections.Generic;
using MessagePack;
using NetMQ;
using NetMQ.Sockets;
using UnityEngine;
using Stopwatch = System.Diagnostics.Stopwatch;

[MessagePackObject(keyAsPropertyName: true)]
public class PipelineMessage  // what is read of `spikes` and `drive`; other fields are passed over
{
    public long seq; public string session; public double t_pub; public bool valid;
    public double command; public int[] unit; public double[] spike_t;
}

public class Client : MonoBehaviour
{
    public string Address = "tcp://127.0.0.1:5570";
    public double Command { get; private set; }
    readonly Dictionary<string, (string session, long next)> known = new Dictionary<string, (string, long)>();
    SubscriberSocket socket;
    PipelineMessage drive = new PipelineMessage();

    void OnEnable()
    {
        AsyncIO.ForceDotNet.Force();
        socket = new SubscriberSocket();
        foreach (var topic in new[] { "spikes/", "drive/" }) socket.Subscribe(topic);
        socket.Connect(Address);
    }

    void OnDisable() { Command = 0; socket.Dispose(); }

    void OnApplicationQuit() { NetMQConfig.Cleanup(false); }

    void Update()
    {
        NetMQMessage frames = null;
        for (int i = 0; i < 1000 && socket.TryReceiveMultipartMessage(ref frames, 2); i++)
            try { Take(frames[0].ConvertToString(), MessagePackSerializer.Deserialize<PipelineMessage>(frames[1].ToByteArray())); }
            catch (MessagePackSerializationException error) { Debug.Log("not understood: " + error.Message); }
        double age = Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency - drive.t_pub;  // LSL's clock on Linux and Windows
        Command = drive.valid && age > -0.02 && age < 0.2 && drive.command >= 0 && drive.command <= 1 ? drive.command : 0;
    }

    void Take(string topic, PipelineMessage message)
    {
        if (known.TryGetValue(topic, out var last) && last.session == message.session && message.seq > last.next)
            Debug.Log($"missed {message.seq - last.next} of {topic}");
        known[topic] = (message.session, message.seq + 1);
        if (topic.StartsWith("drive/")) drive = message;
        else if (message.valid)
            for (int i = 0; i < message.unit.Length; i++) Debug.Log($"unit {message.unit[i]} at {message.spike_t[i]:F6} s");
    }
}
