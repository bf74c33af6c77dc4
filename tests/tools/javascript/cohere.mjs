import { CohereClientV2 } from "cohere-ai";

export default async function ({ url, key, tools }) {
  const client = new CohereClientV2({ token: key, environment: url });
  const messages = [{ role: "user", content: "hello there" }];
  const answer = await client.chat({ model: "chat", messages });
  let streamed = "";
  for await (const event of await client.chatStream({ model: "chat", messages })) {
    if (event.type === "content-delta") streamed += event.delta.message.content.text;
  }
  const functions = tools.map((tool) => ({ type: "function", function: tool }));
  const called = await client.chat({ model: "calling", messages, tools: functions });
  const call = called.message.toolCalls[0].function;
  return {
    text: answer.message.content[0].text,
    streamed,
    call: { name: call.name, arguments: JSON.parse(call.arguments) },
    others: [],
  };
}
