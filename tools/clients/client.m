function client(address, seconds)
% Follows a pipeline, also one on another machine: prints its discharges, and a command that is 0 when in doubt.
% Once in a session, before anything else of Python, say where myodrive is installed:
%   pyenv(Version="/path/to/.venv/bin/python", ExecutionMode="OutOfProcess")
arguments
    address (1,1) string = "tcp://127.0.0.1:5570"
    seconds (1,1) double = 30
end
module = py.importlib.import_module("myodrive.stream.client");
pipeline = module.Client(address, {"spikes/", "drive/"});
closing = onCleanup(@() pipeline.close());
missed = 0;
restarts = 0;
began = tic;
while toc(began) < seconds
    messages = cell(py.list(pipeline.waiting()));  % all that came, in order, without waiting
    for k = 1:numel(messages)
        message = messages{k}{2};                  % of (kind, message)
        if string(messages{k}{1}) == "spikes" && message.valid
            unit = cellfun(@double, cell(message.unit));
            t = cellfun(@double, cell(message.spike_t));
            fprintf("unit %d at %.6f s\n", [unit; t]);
        end
    end
    if double(py.sum(pipeline.missed.values())) > missed
        missed = double(py.sum(pipeline.missed.values()));
        fprintf("missed %d messages in all\n", missed);
    end
    if double(pipeline.restarts) > restarts
        restarts = double(pipeline.restarts);
        fprintf("the pipeline was started again\n");
    end
    fprintf("command %.3f %s\n", pipeline.command(), string(pipeline.why_not()));
    pause(0.01);
end
end
