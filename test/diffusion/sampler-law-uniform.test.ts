/** Draws through the sampling loop against exactly propagated laws, uniform: chi-square at α = 1e-6 with fixed seeds. */
import { lawCells } from "../support/law-cells.ts";

lawCells("uniform");
