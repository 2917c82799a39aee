# Says what Debian's ruby-device-detector makes of user agents: one a line on standard input, JSON on standard output.
require 'device_detector'
require 'json'

# No user agent comes twice.
DeviceDetector.configure { |config| config.max_cache_keys = 50 }

STDIN.each_line(chomp: true) do |line|
  client = DeviceDetector.new(line.force_encoding('UTF-8'))
  answer =
    if client.bot_name
      { bot: client.bot_name }
    else
      { system: client.os_name, client: client.name, device: client.device_type,
        brand: client.device_brand, model: client.device_name }
    end
  puts JSON.generate(answer)
end
