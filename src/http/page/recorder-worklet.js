// Hands on what the microphone hears, in pieces of 2,048 samples. Runs on the audio thread.

const PIECE_SAMPLES = 2048;

class RecorderProcessor extends AudioWorkletProcessor {
  #piece = new Float32Array(PIECE_SAMPLES);
  #nSamples = 0;

  process([input]) {
    const channel = input[0];
    if (!channel) return true;
    for (const sample of channel) {
      this.#piece[this.#nSamples] = sample;
      this.#nSamples += 1;
      if (this.#nSamples === PIECE_SAMPLES) {
        this.port.postMessage(this.#piece, [this.#piece.buffer]);
        this.#piece = new Float32Array(PIECE_SAMPLES);
        this.#nSamples = 0;
      }
    }
    return true;
  }
}

registerProcessor("recorder", RecorderProcessor);
