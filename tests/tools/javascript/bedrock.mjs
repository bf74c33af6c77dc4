// AWS's client speaks HTTP/2 to Bedrock and nothing else.
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";

export default async function ({ url, key, tools }) {
  const client = new BedrockRuntimeClient({
    endpoint: `${url}/bedrock`,
    region: "us-east-1",
    token: { token: key },
    authSchemePreference: ["httpBearerAuth"],
    maxAttempts: 1,
  });
  const messages = [{ role: "user", content: [{ text: "hello there" }] }];
  const answer = await client.send(new ConverseCommand({ modelId: "chat", messages }));
  let streamed = "";
  const { stream } = await client.send(new ConverseStreamCommand({ modelId: "chat", messages }));
  for await (const event of stream) streamed += event.contentBlockDelta?.delta?.text ?? "";
  const specs = tools.map(({ parameters, ...tool }) => ({ toolSpec: { ...tool, inputSchema: { json: parameters } } }));
  const called = await client.send(
    new ConverseCommand({ modelId: "calling", messages, toolConfig: { tools: specs } }),
  );
  const call = called.output.message.content.find((block) => block.toolUse).toolUse;
  return {
    text: answer.output.message.content[0].text,
    streamed,
    call: { name: call.name, arguments: call.input },
    others: [],
  };
}
