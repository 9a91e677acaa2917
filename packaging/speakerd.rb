# A Homebrew formula of the checkout that this file lies in. It builds what is committed there, in the branch main.
# Homebrew takes formulae only from taps, so it is copied into one:
#
#   export HOMEBREW_SPEAKERD_CHECKOUT="$PWD"
#   brew tap-new --no-git local/speakerd
#   cp packaging/speakerd.rb "$(brew --repository local/speakerd)/Formula/"
#   brew install --HEAD local/speakerd/speakerd
#
# A Homebrew that is older, or a developer's: brew install --build-from-source --HEAD ./packaging/speakerd.rb
#
# Whoever publishes it adds homepage, url and sha256, and replaces head.
class Speakerd < Formula
  desc "Speaker daemon: append a line to a file and a voice speaks it"
  license all_of: [
    { any_of: ["MIT", "Apache-2.0"] },
    :cannot_represent, # Flite's, whose voices are linked in
    "LGPL-3.0-only", # LAME
    "BSD-3-Clause", # libopus
  ]
  head "file://#{ENV.fetch("HOMEBREW_SPEAKERD_CHECKOUT") { File.expand_path("..", __dir__) }}",
       using: :git, branch: "main"

  depends_on "cmake" => :build
  depends_on "pkgconf" => :build
  depends_on "rust" => :build
  depends_on "flite"

  on_linux do
    depends_on "alsa-lib"
  end

  def install
    # The build knows the usual prefixes only.
    ENV["FLITE_LIB_DIR"] = Formula["flite"].opt_lib.to_s
    system "cargo", "install", *std_cargo_args
    generate_completions_from_executable(bin/"speakerd", "completions", shells: [:bash, :zsh, :fish])
    (man1/"speakerd.1").write Utils.safe_popen_read(bin/"speakerd", "man")
    doc.install "config/speakerd.toml", "LICENSE-FLITE", "LICENSE-LAME", "LICENSE-OPUS"
  end

  # In place of `speakerd install`, which would start the daemon a second time.
  service do
    run [opt_bin/"speakerd", "run"]
    keep_alive crashed: true
    process_type :interactive
    error_log_path var/"log/speakerd.log"
  end

  test do
    assert_match "five kilometers", shell_output("#{bin}/speakerd explain '5 km'")

    # A daemon of its own, which a running one does not mind.
    ENV["TMPDIR"] = ENV["XDG_RUNTIME_DIR"] = testpath.to_s
    ENV["SPEAKERD_AUDIO_OUTPUT"] = "wav"
    ENV["SPEAKERD_AUDIO_WAV_DIR"] = (testpath/"wav").to_s
    notes = testpath/"notes.txt"
    notes.write ""
    daemon = spawn bin/"speakerd", "run", "--watch", notes
    begin
      50.times do
        break if quiet_system bin/"speakerd", "status"

        sleep 0.1
      end
      notes.append_lines "Tea is ready."
      system bin/"speakerd", "wait-idle", "--timeout", "50"
    ensure
      Process.kill "TERM", daemon
      Process.wait daemon
    end
    refute_empty (testpath/"wav").glob("*.wav")
  end
end
