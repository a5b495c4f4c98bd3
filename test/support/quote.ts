/** The template that stands for a text itself. */
export const quoteTemplate = (text: string): string => text.replaceAll("[[", "\\[[");
