/** The version of this package: package.json's, which a bundle for browsers does not have beside it (a test holds the two together). */
export const packageVersion = "0.1.0";
