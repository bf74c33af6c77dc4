import { Ollama } from "ollama";

export default async function ({ url, key, tools }) {
  const client = new Ollama({ host: url, headers: { authorization: `Bearer ${key}` } });
  const messages = [{ role: "user", content: "hello there" }];
  const answer = await client.chat({ model: "chat", messages });
  let streamed = "";
  for await (const chunk of await client.chat({ model: "chat", messages, stream: true })) {
    streamed += chunk.message.content;
  }
  const functions = tools.map((tool) => ({ type: "function", function: tool }));
  const called = await client.chat({ model: "calling", messages, tools: functions });
  const { name, arguments: given } = called.message.tool_calls[0].function;
  return { text: answer.message.content, streamed, call: { name, arguments: given }, others: [] };
}
