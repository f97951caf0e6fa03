#version 300 es
// Letters from a texture: red is how much of a letter is here, green how much of its shadow.
precision highp float;
in vec2 uv;
uniform sampler2D image;
out vec4 pixel;

void main() {
    vec4 ink = texture(image, uv);
    pixel = vec4(mix(vec3(0.04, 0.06, 0.15), vec3(1.0), ink.r), max(ink.r, ink.g));
}
