import { GoogleGenAI } from "@google/genai";

export default async function ({ url, key, tools }) {
  const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: `${url}/gemini` } });
  const contents = "hello there";
  const answer = await client.models.generateContent({ model: "chat", contents });
  let streamed = "";
  for await (const chunk of await client.models.generateContentStream({ model: "chat", contents })) {
    streamed += chunk.text ?? "";
  }
  const functionDeclarations = tools.map(({ parameters, ...tool }) => ({ ...tool, parametersJsonSchema: parameters }));
  const config = { tools: [{ functionDeclarations }] };
  const called = await client.models.generateContent({ model: "calling", contents, config });
  const call = called.functionCalls[0];
  return { text: answer.text, streamed, call: { name: call.name, arguments: call.args }, others: [] };
}
