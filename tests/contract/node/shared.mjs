// What programs of every SDK need.

/** The JSON Schema of a structured answer; its SDKs have no common way to write one. */
export const bridge = {
  type: "object",
  properties: {
    river: { type: "string", enum: ["Rhône", "Durance"] },
    arches: { type: "integer" },
  },
  required: ["river", "arches"],
  additionalProperties: false,
};

/** What the tool called with `args` finds. */
export const found = (job, args) => job.results[Object.values(args)[0] ?? ""];

export const png = (data) => `data:image/png;base64,${data}`;
export const pdf = (data) => `data:application/pdf;base64,${data}`;
