#version 300 es
// Dark tiles that let what lies below shine through, and vanish in the haze.
precision highp float;
in vec3 world;
in vec2 uv;
in vec4 seen;
uniform sampler2D image;
uniform vec3 eye;
uniform float aspect;
out vec4 pixel;

void main() {
    float distance = length(world.xz - eye.xz);
    float haze = 1.0 - exp(-0.004 * distance * distance);
    float sun = seen.x / seen.w * aspect * 0.55;
    vec3 far = mix(vec3(0.42, 0.29, 0.56), vec3(1.0, 0.70, 0.42), 0.9 * exp(-2.2 * sun * sun));
    float shadow = 0.6 * exp(-0.9 * dot(world.xz, world.xz));
    vec3 tile = texture(image, uv).rgb * (1.0 - shadow);
    pixel = vec4(mix(tile, far, haze), mix(0.70, 1.0, haze));
}
