import Anthropic from "@anthropic-ai/sdk";

export default async function ({ url, key, tools }) {
  const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
  const asked = { max_tokens: 200, messages: [{ role: "user", content: "hello there" }] };
  const answer = await client.messages.create({ model: "chat", ...asked });
  const streamed = await client.messages.stream({ model: "chat", ...asked }).finalText();
  const functions = tools.map(({ parameters, ...tool }) => ({ ...tool, input_schema: parameters }));
  const called = await client.messages.stream({ model: "calling", ...asked, tools: functions }).finalMessage();
  const call = called.content.find((block) => block.type === "tool_use");
  return {
    text: answer.content[0].text,
    streamed,
    call: { name: call.name, arguments: call.input },
    others: [],
  };
}
