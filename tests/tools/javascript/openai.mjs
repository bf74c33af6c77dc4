import OpenAI from "openai";

export default async function ({ url, key, tools }) {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const messages = [{ role: "user", content: "hello there" }];
  const answer = await client.chat.completions.create({ model: "chat", messages });
  let streamed = "";
  for await (const chunk of await client.chat.completions.create({ model: "chat", messages, stream: true })) {
    streamed += chunk.choices[0]?.delta?.content ?? "";
  }
  const functions = tools.map((tool) => ({ type: "function", function: tool }));
  const called = await client.chat.completions.create({ model: "calling", messages, tools: functions });
  const call = called.choices[0].message.tool_calls[0].function;
  const responses = await client.responses.create({ model: "chat", input: "hello there" });
  return {
    text: answer.choices[0].message.content,
    streamed,
    call: { name: call.name, arguments: JSON.parse(call.arguments) },
    others: [responses.output_text],
  };
}
