// Follows a pipeline on this machine: prints its discharges, and a command that is 0 when in doubt.
// g++ -std=c++17 -O2 client.cpp -o client -lzmq && ./client tcp://127.0.0.1:5570
#include <chrono>
#include <cstdio>
#include <map>
#include <msgpack.hpp>
#include <zmq_addon.hpp>

double now() {  // the clock of LSL and of `t_pub`, s
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int main(int count, char** words) {
    std::setvbuf(stdout, nullptr, _IOLBF, 1 << 16);
    zmq::context_t context;
    zmq::socket_t socket(context, zmq::socket_type::sub);
    for (auto topic : {"spikes/", "drive/"}) socket.set(zmq::sockopt::subscribe, topic);
    socket.set(zmq::sockopt::rcvtimeo, 50);  // ms; silence must be noticed too
    socket.connect(count > 1 ? words[1] : "tcp://127.0.0.1:5570");
    std::map<std::string, std::pair<std::string, long long>> next;  // of every topic: session, number expected
    for (double published = 0, wanted = 0;;) {                      // of the newest drive
        std::vector<zmq::message_t> frames;
        if (zmq::recv_multipart(socket, std::back_inserter(frames)) && frames.size() == 2) try {
            const auto topic = frames[0].to_string();
            const auto body = msgpack::unpack(frames[1].data<char>(), frames[1].size());
            auto fields = body->as<std::map<std::string, msgpack::object>>();
            const auto seq = fields.at("seq").as<long long>();
            auto& [session, expected] = next[topic];
            if (session == fields.at("session").as<std::string>() && seq > expected)
                std::printf("missed %lld of %s\n", seq - expected, topic.c_str());
            next[topic] = {fields.at("session").as<std::string>(), seq + 1};
            const bool valid = fields.at("valid").as<bool>();
            if (topic.rfind("drive/", 0) == 0) {
                published = fields.at("t_pub").as<double>();
                wanted = valid ? fields.at("command").as<double>() : 0.0;
            } else if (valid) {
                const auto unit = fields.at("unit").as<std::vector<int>>();
                const auto t = fields.at("spike_t").as<std::vector<double>>();
                for (size_t i = 0; i < unit.size(); ++i) std::printf("unit %d at %.6f s\n", unit[i], t.at(i));
            }
        } catch (const std::exception& error) { std::printf("not understood: %s\n", error.what()); }
        const double age = now() - published;  // another machine has another clock: there the command stays 0
        std::printf("command %.3f\n", age > -0.02 && age < 0.2 && wanted >= 0 && wanted <= 1 ? wanted : 0.0);
    }
}
