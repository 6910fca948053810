// The AI SDK with its provider for OpenAI-compatible servers.
import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { experimental_generateImage as generateImage } from "ai";
import { version } from "./versions.mjs";

const provider = createOpenAICompatible({ name: "worker", baseURL: process.env.SERVER + "/v1", apiKey: "none" });
const { image } = await generateImage({
  model: provider.imageModel("qwen-image"), prompt: "a bright living room", size: "512x512", seed: 7,
});
assert.ok(image.uint8Array.length > 1000);
console.log(`${version("ai")}, ${version("@ai-sdk/openai-compatible")}`);
