// Records from the microphone into a WAV file, in memory only.

/** A voice is made of 30 s at most; more would only be sent and thrown away. */
export const MAX_SECS = 30;

/** Why nothing can be recorded here, and the way out; empty where it can. */
export function whyNoRecording() {
  if (!window.isSecureContext) {
    return `Browsers lend the microphone only to pages of this machine or over TLS. Open this page as http://localhost:${location.port || 80}/ (through ssh -L, if the daemon is elsewhere), or put a TLS proxy in front of it. Files can be chosen all the same.`;
  }
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) {
    return "This browser cannot record. Files can be chosen all the same.";
  }
  return "";
}

/** One recording. `onProgress` is called with `(secs, peak)` some 20 times a second, `onLimit` when it is long enough. */
export class Recorder {
  #onProgress;
  #onLimit;
  #context = null;
  #stream = null;
  #pieces = [];
  #nSamples = 0;

  constructor({ onProgress, onLimit }) {
    this.#onProgress = onProgress;
    this.#onLimit = onLimit;
  }

  /** Asks for the microphone and begins. Rejects with a message for people. */
  async start() {
    // What makes calls intelligible takes away what makes a voice one's own.
    const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio });
      this.#context = new AudioContext();
      await this.#context.audioWorklet.addModule(new URL("recorder-worklet.js", import.meta.url));
      const node = new AudioWorkletNode(this.#context, "recorder", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
      node.port.onmessage = ({ data }) => this.#take(data);
      this.#context.createMediaStreamSource(this.#stream).connect(node);
      await this.#context.resume();
    } catch (error) {
      this.#release();
      throw new Error(REASONS[error.name] ?? `the microphone cannot be used: ${error.message}`, { cause: error });
    }
  }

  /** Ends it. Resolves with the WAV file and its length. */
  async stop() {
    const rateHz = this.#context.sampleRate;
    this.#release();
    const nSamples = Math.min(this.#nSamples, MAX_SECS * rateHz);
    const file = new File([wavOf(this.#pieces, nSamples, rateHz)], "recording.wav", { type: "audio/wav" });
    this.#pieces = [];
    return { file, secs: nSamples / rateHz };
  }

  /** Gives the microphone back: its light in the browser goes out. */
  #release() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#context?.close();
    this.#stream = null;
  }

  #take(samples) {
    const rateHz = this.#context.sampleRate;
    if (!this.#stream || this.#nSamples >= MAX_SECS * rateHz) return;
    this.#pieces.push(samples);
    this.#nSamples += samples.length;
    let peak = 0;
    for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
    this.#onProgress(this.#nSamples / rateHz, peak);
    if (this.#nSamples >= MAX_SECS * rateHz) this.#onLimit();
  }
}

const REASONS = {
  NotAllowedError: "the microphone was not allowed: allow it in the browser's settings of this page",
  NotFoundError: "there is no microphone: connect one, or choose files",
  NotReadableError: "the microphone is in use: close the program that uses it",
};

/** A mono WAV file of 16 bits, of the first `nSamples` of the pieces. */
export function wavOf(pieces, nSamples, rateHz) {
  const view = new DataView(new ArrayBuffer(44 + nSamples * 2));
  const word = (at, text) => [...text].forEach((letter, idx) => view.setUint8(at + idx, letter.charCodeAt(0)));
  word(0, "RIFF");
  view.setUint32(4, 36 + nSamples * 2, true);
  word(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rateHz, true);
  view.setUint32(28, rateHz * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  word(36, "data");
  view.setUint32(40, nSamples * 2, true);
  let at = 44;
  for (const piece of pieces) {
    for (const sample of piece) {
      if (at >= view.byteLength) break;
      view.setInt16(at, Math.round(Math.min(Math.max(sample, -1), 1) * 32_767), true);
      at += 2;
    }
  }
  return view.buffer;
}
