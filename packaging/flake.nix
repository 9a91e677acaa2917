# speakerd for Nix, from the root of a git checkout:
#
#   nix build ./packaging
#   nix develop ./packaging
#
# What git does not know is not built. Whoever publishes it adds meta.homepage and meta.maintainers.
{
  description = "A speaker daemon: append a line to a file and a voice speaks it";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;

      # macOS should work as well, but nobody has tried.
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forEachSystem = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});

      # The build looks where the C compiler would, and in the usual folders: neither finds what is in the store.
      fliteLibDir = flite: "${lib.getLib flite}/lib";

      speakerd =
        {
          alsa-lib,
          cmake,
          flite,
          installShellFiles,
          pkg-config,
          rustPlatform,
          stdenv,
        }:
        rustPlatform.buildRustPackage {
          pname = "speakerd";
          inherit ((lib.importTOML ../Cargo.toml).package) version;

          # A change elsewhere, in a document say, builds nothing anew.
          src = lib.fileset.toSource {
            root = ../.;
            fileset = lib.fileset.unions [
              ../Cargo.lock
              ../Cargo.toml
              ../LICENSE-APACHE
              ../LICENSE-FLITE
              ../LICENSE-LAME
              ../LICENSE-MIT
              ../LICENSE-OPUS
              ../build.rs
              ../config
              ../packaging/check.sh
              ../packaging/speakerd.plist
              ../packaging/speakerd.service
              ../packaging/speakerd.socket
              ../src
            ];
          };
          cargoLock.lockFile = ../Cargo.lock;

          nativeBuildInputs = [
            cmake
            installShellFiles
            pkg-config
          ];
          buildInputs = [
            alsa-lib
            flite
          ];
          env.FLITE_LIB_DIR = fliteLibDir flite;
          # It is for libopus, which a crate builds; speakerd itself has nothing for it.
          dontUseCmakeConfigure = true;

          # The tests want a sound server, a recogniser and a service manager. What is installed is tried instead.
          doCheck = false;
          doInstallCheck = stdenv.buildPlatform.canExecute stdenv.hostPlatform;
          installCheckPhase = ''
            runHook preInstallCheck
            sh packaging/check.sh $out/bin/speakerd
            runHook postInstallCheck
          '';

          postInstall = ''
            substituteInPlace packaging/speakerd.service --replace-fail /usr/bin/speakerd $out/bin/speakerd
            install -Dm644 packaging/speakerd.service packaging/speakerd.socket -t $out/lib/systemd/user
            install -Dm644 LICENSE-* config/speakerd.toml -t $out/share/doc/speakerd
          ''
          + lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
            installShellCompletion --cmd speakerd \
              --bash <($out/bin/speakerd completions bash) \
              --zsh <($out/bin/speakerd completions zsh) \
              --fish <($out/bin/speakerd completions fish)
            $out/bin/speakerd man > speakerd.1
            installManPage speakerd.1
          '';

          meta = {
            description = "Speaks the lines that are appended to text files";
            mainProgram = "speakerd";
            # Either of the first two, as one likes, and those of Flite, LAME and libopus.
            license = [
              lib.licenses.mit
              lib.licenses.asl20
              flite.meta.license
              lib.licenses.lgpl3Only
              lib.licenses.bsd3
            ];
            platforms = lib.platforms.linux;
          };
        };
    in
    {
      packages = forEachSystem (pkgs: {
        default = pkgs.callPackage speakerd { };
      });

      devShells = forEachSystem (pkgs: {
        default = pkgs.mkShell {
          inputsFrom = [ self.packages.${pkgs.stdenv.hostPlatform.system}.default ];
          packages = with pkgs; [
            cargo
            clippy
            espeak-ng
            rust-analyzer
            rustc
            rustfmt
          ];
          env.FLITE_LIB_DIR = fliteLibDir pkgs.flite;
        };
      });

      overlays.default = final: prev: { speakerd = final.callPackage speakerd { }; };
    };
}
