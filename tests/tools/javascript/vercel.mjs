// Vercel's AI SDK, through each of its providers.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, streamText, tool } from "ai";

export default async function ({ url, key, tools }) {
  const openai = createOpenAI({ baseURL: `${url}/openai/v1`, apiKey: key });
  const providers = [
    (model) => openai.chat(model),
    (model) => openai.responses(model),
    createAnthropic({ baseURL: `${url}/anthropic/v1`, apiKey: key }),
    createGoogleGenerativeAI({ baseURL: `${url}/gemini/v1beta`, apiKey: key }),
    createOpenAICompatible({ name: "lockgate", baseURL: `${url}/v1`, apiKey: key }),
  ];
  const prompt = "hello there";
  const functions = Object.fromEntries(
    tools.map(({ name, description, parameters }) => [
      name,
      tool({ description, inputSchema: jsonSchema(parameters) }),
    ]),
  );
  const results = [];
  for (const provider of providers) {
    const asked = { prompt, maxRetries: 0 };
    const { text } = await generateText({ model: provider("chat"), ...asked });
    let streamed = "";
    for await (const piece of streamText({ model: provider("chat"), ...asked }).textStream) streamed += piece;
    const { toolCalls } = await generateText({ model: provider("calling"), ...asked, tools: functions });
    results.push({ text, streamed, call: { name: toolCalls[0].toolName, arguments: toolCalls[0].input } });
  }
  const [first, ...rest] = results;
  const alike = rest.filter((result) => JSON.stringify(result) !== JSON.stringify(first));
  if (alike.length > 0) throw new Error(`providers differ: ${JSON.stringify(results)}`);
  return { ...first, others: results.map((result) => result.streamed) };
}
